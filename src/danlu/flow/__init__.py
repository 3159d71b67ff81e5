"""The story of a run, from files to a folder: gather → prepare → training."""
