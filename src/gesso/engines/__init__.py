"""What a user asks for: chat over any model family, and the decoding, catalogue and loading it stands on."""
