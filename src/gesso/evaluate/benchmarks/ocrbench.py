"""OCRBench (arXiv 2305.07895): a thousand questions about text in pictures."""

from collections.abc import Sequence
from typing import Final

__all__ = ["FORMULAS", "holds"]

FORMULAS: Final = ("Handwritten Mathematical Expression Recognition", "HME100k")
"""Types in which blanks do not count and capitals do."""


def holds(answer: str, truths: Sequence[str], kind: str) -> bool:
    """Whether an answer holds one of the true ones; `kind` is the type of question or its data set."""
    if kind in FORMULAS:
        said = _without_blanks(answer)
        return any(_without_blanks(truth) in said for truth in truths)
    said = answer.lower().strip().replace("\n", " ")
    return any(truth.lower().strip().replace("\n", " ") in said for truth in truths)


def _without_blanks(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")
