"""Counts of yes and no against the truth, and the figures that POPE reports of them."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Confusion"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often yes and no were said, by what is true.

    Attributes:
        tp: yes, and it is so.
        fp: yes, and it is not.
        tn: no, and it is not.
        fn: no, and it is.
    """

    tp: int
    fp: int
    tn: int
    fn: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> "Confusion":
        """Counts of pairs (said yes, yes is true)."""
        counted = list(pairs)
        return cls(
            *(counted.count(pair) for pair in ((True, True), (True, False), (False, False), (False, True)))
        )

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return _share(self.tp + self.tn, self.n)

    @property
    def precision(self) -> float:
        """Share of right ones among the answers yes; 0 if there are none, where the original fails."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of things there that were found."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def yes_ratio(self) -> float:
        """Share of answers yes."""
        return _share(self.tp + self.fp, self.n)

    @property
    def n(self) -> int:
        """How many answers were counted."""
        return self.tp + self.fp + self.tn + self.fn


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
