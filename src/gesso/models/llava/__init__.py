"""LLaVA 1.0 to 1.6 (arXiv 2304.08485, 2310.03744): chat about pictures."""
