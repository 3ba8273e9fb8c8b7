"""Speech to text with times, by a chat model that hears."""

from typing import Final

__all__ = ["INSTRUCTION"]

INSTRUCTION: Final = "Convert the speech to text."
"""What a model is asked for, in the manner of Megrez-3B-Omni's README; the answer is in the language spoken."""
