"""Mini-Gemini: a second, finer vision tower whose details the tokens of the first one take in."""
