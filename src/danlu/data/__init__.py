"""From files to typed rows, from typed rows to tensors. Nothing is imported here."""
