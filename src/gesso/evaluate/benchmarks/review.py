"""Reviews by a judge, as of LLaVA-Bench (arXiv 2304.08485): of two answers, a reference and another."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

__all__ = ["REFUSED", "ReviewMeans", "read_scores", "summarise"]

REFUSED: Final = (-1.0, -1.0)
"""What stands for a review that begins with no two grades; it is counted, as in the original."""

GRADE: Final = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
GRADES: Final = re.compile(rf"({GRADE})[, ]({GRADE})")


@dataclass(frozen=True, slots=True)
class ReviewMeans:
    """Mean grades of some reviews, in percent of the best grade.

    Attributes:
        relative: the candidate's in percent of the reference's.
        reference: of the reference.
        candidate: of the model.
    """

    relative: float
    reference: float
    candidate: float


def read_scores(review: str) -> tuple[float, float]:
    """The two grades in the first line of a review: "8 7" or "8,7", nothing else; else `REFUSED`."""
    found = GRADES.fullmatch(review.split("\n", maxsplit=1)[0])
    return (float(found[1]), float(found[2])) if found else REFUSED


def summarise(reviews: Iterable[Mapping[str, Any]], ignored: Collection[Any] = ()) -> dict[str, ReviewMeans]:
    """Mean grades over all reviews ("all") and by their `category`, sorted by name.

    Args:
        reviews: lines of a review file; the grades are in `tuple` or, in old files, `score`.
        ignored: values of `question_id` that are left out.
    """
    grades: dict[str, list[tuple[float, float]]] = {}
    for review in reviews:
        if review["question_id"] in ignored:
            continue
        pair = tuple(review["tuple"] if "tuple" in review else review["score"])
        for name in filter(None, ("all", review.get("category"))):
            grades.setdefault(name, []).append(pair)
    return {name: _means(grades[name]) for name in sorted(grades)}


def _means(grades: list[tuple[float, float]]) -> ReviewMeans:
    reference, candidate = (round(fmean(values), 3) for values in zip(*grades, strict=True))
    return ReviewMeans(
        round(candidate / reference * 100, 1), round(reference * 10, 1), round(candidate * 10, 1)
    )
