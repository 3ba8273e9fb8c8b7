"""Megrez-3B-Omni (infinigence/Infini-Megrez-Omni): chat about pictures and sounds, in Chinese and English."""
