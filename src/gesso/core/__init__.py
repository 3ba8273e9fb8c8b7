"""Values that every floor shares: messages, sampling, results, errors, registries (no torch)."""
