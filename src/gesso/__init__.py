"""gesso: multimodal models that see, listen, talk, plan and paint."""
