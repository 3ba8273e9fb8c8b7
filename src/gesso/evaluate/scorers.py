"""How one prediction is scored, and how scores are averaged."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from gesso.core.errors import UsageError

__all__ = ["exact_match", "mean_and_stderr", "normalise_answer", "rate_and_stderr"]

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


def rate_and_stderr(parts: Sequence[float], wholes: Sequence[float]) -> tuple[float, float]:
    """Sum of parts over sum of wholes, such as errors over words, and its standard error.

    The error is that of a ratio estimator (Cochran, Sampling Techniques, section 2.11); 0 for one sample.

    Raises:
        UsageError: there are no wholes.
    """
    if not sum(wholes):
        raise UsageError("a rate over nothing; evaluate at least one sample that is not empty")
    count, rate = len(parts), sum(parts) / sum(wholes)
    spread = sum((part - rate * whole) ** 2 for part, whole in zip(parts, wholes, strict=True))
    error = sqrt(spread / (count * (count - 1))) / fmean(wholes) if count > 1 else 0.0
    return rate, error
