"""Torch blocks that model families share; no family is named here."""
