"""Numbers about segments."""
