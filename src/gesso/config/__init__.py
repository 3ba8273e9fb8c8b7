"""Settings of training recipes and how they are read."""
