"""How one prediction is scored, and how scores are averaged."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from gesso.core.errors import UsageError

__all__ = ["exact_match", "mean_and_stderr", "normalise_answer"]

FULL_STOPS = (".", "。")


def normalise_answer(text: str) -> str:
    """An answer without what does not count: space around it, capitals, one final stop."""
    lowered = text.strip().lower()
    return lowered[:-1].rstrip() if lowered.endswith(FULL_STOPS) else lowered


def exact_match(prediction: str, target: str) -> float:
    """1 if both are the same answer once normalised, else 0."""
    return float(normalise_answer(prediction) == normalise_answer(target))


def mean_and_stderr(scores: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error: sample standard deviation over the root of n; 0 for a single score.

    Raises:
        UsageError: there are no scores.
    """
    if not scores:
        raise UsageError("no scores to average; evaluate at least one sample")
    error = stdev(scores) / sqrt(len(scores)) if len(scores) > 1 else 0.0
    return fmean(scores), error
