"""Training: one loop, recipes in YAML, objectives that plug into it."""
