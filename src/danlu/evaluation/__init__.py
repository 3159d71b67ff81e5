"""What a model is worth, measured on rows it never saw, and told so that it can be believed."""
