"""Drift: how rows that are answered today differ from those that a model was measured on."""
