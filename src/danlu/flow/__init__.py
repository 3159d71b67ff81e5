"""The story of a run, from files to a folder: material → prepare → training → assess."""
