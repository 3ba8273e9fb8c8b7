"""POPE (arXiv 2305.10355): is this object in the picture? Asked in three categories, scored by F1."""

from typing import Final

__all__ = ["CATEGORIES", "says_yes"]

CATEGORIES: Final = ("random", "popular", "adversarial")
"""Where the objects that are not there come from; LLaVA's published number is the mean F1 of the three."""

NEGATIONS: Final = ("No", "not", "no")


def says_yes(answer: str) -> bool:
    """Whether an answer counts as yes: unless its first sentence holds one of three words, letter by letter.

    So "Not sure" and "Nope" count as yes, as in the original.
    """
    first = answer.split(".", maxsplit=1)[0]
    words = first.replace(",", "").split(" ")
    return not any(word in words for word in NEGATIONS)
