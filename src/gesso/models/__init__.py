"""Model families: one folder each, with processor, model and checkpoint conversion."""
