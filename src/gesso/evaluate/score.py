"""A mean or a rate with its standard error and count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gesso.evaluate.scorers import mean_and_stderr, rate_and_stderr

__all__ = ["Score"]

# beyond any standard error, and the same on machines that add up in another order
DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Score:
    """A mean.

    Attributes:
        score: the mean, 0-1.
        stderr: its standard error.
        n: how many values it is the mean of.
    """

    score: float
    stderr: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Score":
        """The mean of some values."""
        mean, stderr = mean_and_stderr(values)
        return cls(round(mean, DIGITS), round(stderr, DIGITS), len(values))

    @classmethod
    def rate(cls, parts: Sequence[float], wholes: Sequence[float]) -> "Score":
        """All parts over all wholes, such as a word error rate."""
        rate, stderr = rate_and_stderr(parts, wholes)
        return cls(round(rate, DIGITS), round(stderr, DIGITS), len(parts))
