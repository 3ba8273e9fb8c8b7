"""MME (arXiv 2306.13394): two questions a picture to be answered by yes and no, in fourteen subtasks.

The score of a subtask is 100 times the share of right answers (acc) plus 100 times the share of pictures
with both answers right (acc+), so at most 200; perception and cognition are the sums of theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["COGNITION", "PERCEPTION", "SubtaskScore", "read_answer", "subtask_score", "total"]

PERCEPTION: Final = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
COGNITION: Final = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")

READ: Final = 4
"""So many letters of an answer are looked at where it is not a word alone."""


@dataclass(frozen=True, slots=True)
class SubtaskScore:
    """What a subtask gives.

    Attributes:
        acc: share of right answers.
        acc_plus: share of pictures with both answers right.
    """

    acc: float
    acc_plus: float

    @property
    def score(self) -> float:
        """Both in percent, added; at most 200."""
        return 100 * (self.acc + self.acc_plus)


def read_answer(answer: str) -> Literal["yes", "no", "other"]:
    """What an answer says: the word itself, or what its first four letters hold, yes before no."""
    said = answer.lower().strip()
    begin = said[:READ]
    if "yes" in begin:
        return "yes"
    return "no" if "no" in begin else "other"


def subtask_score(rows: Iterable[tuple[str, str, str]]) -> SubtaskScore:
    """The score of a subtask, of rows (picture, truth "Yes" or "No", answer)."""
    hits: dict[str, list[bool]] = {}
    for picture, truth, answer in rows:
        hits.setdefault(picture, []).append(read_answer(answer) == truth.lower())
    single = [hit for pair in hits.values() for hit in pair]
    return SubtaskScore(sum(single) / len(single), sum(map(all, hits.values())) / len(hits))


def total(scores: Mapping[str, SubtaskScore], subtasks: Sequence[str]) -> float:
    """The sum over those subtasks that were asked."""
    return sum(scores[name].score for name in subtasks if name in scores)
