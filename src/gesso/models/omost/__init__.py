"""Omost's language models (lllyasviel/Omost): wishes in, canvas programs out."""
