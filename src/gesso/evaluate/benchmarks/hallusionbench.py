"""HallusionBench (arXiv 2310.14566): yes-no questions about figures that mislead."""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Asked", "HallusionScores", "hallusion_scores", "read_answer"]

WORDS: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a question stands.

    Attributes:
        group: its subcategory and set.
        figure: number of the figure in the set.
        question: number of the question in the set; one question is asked about several figures.
        right: whether it was answered right.
    """

    group: Hashable
    figure: str
    question: str
    right: bool


@dataclass(frozen=True, slots=True)
class HallusionScores:
    """Shares of what is right.

    Attributes:
        a_acc: of all answers.
        f_acc: of figures with all questions about them.
        q_acc: of questions with all figures that they are asked about.
    """

    a_acc: float
    f_acc: float
    q_acc: float

    @property
    def mean(self) -> float:
        """The mean of the three, which OpenCompass reports."""
        return (self.a_acc + self.f_acc + self.q_acc) / 3


def read_answer(answer: str) -> Literal["Yes", "No", "Unknown"]:
    """Yes or No if exactly one of the words is in an answer."""
    words = WORDS.findall(answer.lower())
    yes, no = "yes" in words, "no" in words
    if yes == no:
        return "Unknown"
    return "Yes" if yes else "No"


def hallusion_scores(asked: Iterable[Asked]) -> HallusionScores:
    """All three shares."""
    single: list[bool] = []
    figures: dict[Hashable, bool] = {}
    questions: dict[Hashable, bool] = {}
    for each in asked:
        single.append(each.right)
        for found, key in ((figures, each.figure), (questions, each.question)):
            place = (each.group, key)
            found[place] = each.right and found.get(place, True)
    return HallusionScores(
        *(sum(hits) / len(hits) for hits in (single, figures.values(), questions.values()))
    )
