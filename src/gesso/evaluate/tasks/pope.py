"""POPE: is this object in the picture?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar, Final

from gesso.evaluate.benchmarks import pope
from gesso.evaluate.benchmarks.vqa import SHORT_ANSWER
from gesso.evaluate.benchmarks.yes_no import Confusion
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import field_of, find_file, find_folder, json_lines, picture_file, wrong
from gesso.evaluate.tasks.picture_questions import SHORT, Graded, PictureBenchmark, PictureQuestion

__all__ = ["Pope"]

YES: Final = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pope(PictureBenchmark):
    """POPE: `data` holds coco_pope_CATEGORY.json of all three (or coco/ with them), and val2014/."""

    name: ClassVar[str] = "pope"
    tokens: ClassVar[int] = SHORT
    split: ClassVar[str] = "coco"

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions, category by category."""
        folder = find_folder(self.data, "val2014", task=self.name)
        for category in pope.CATEGORIES:
            file = f"coco_pope_{category}.json"
            for place, row in json_lines(find_file(self.data, file, f"coco/{file}", task=self.name)):
                label = field_of(row, "label", place)
                if label not in (YES, "no"):
                    raise wrong(place, f"its label is {label!r}", "POPE's are yes and no")
                prompt = f"{field_of(row, 'text', place)}\n{SHORT_ANSWER}"
                picture = picture_file(folder / field_of(row, "image", place), place)
                name = f"{category}-{field_of(row, 'question_id', place)}"
                yield PictureQuestion(name, category, prompt, label, (picture,), place)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether yes and no are where they belong."""
        return float(pope.says_yes(answer) == (question.target == YES)), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The mean F1 of the categories, which is the score; precision, recall and share of yes."""
        figures: dict[str, Score] = {}
        for category in pope.CATEGORIES:
            pairs = [(pope.says_yes(r.prediction), r.target == YES) for r in records if r.kind == category]
            if pairs:
                figures |= _figures(category, pairs)
        means = [value for name, value in figures.items() if name.endswith(": F1")]
        error = fmean(value.stderr**2 for value in means) ** 0.5 / len(means) ** 0.5
        figures["F1"] = Score.rounded(fmean(value.score for value in means), error, len(records))
        return Outcome(figures, headline="F1")


def _figures(category: str, pairs: Sequence[tuple[bool, bool]]) -> dict[str, Score]:
    said, true = ([float(value) for value in values] for values in zip(*pairs, strict=True))
    both = [a * b for a, b in zip(said, true, strict=True)]
    found = Confusion.of(pairs)
    n = len(pairs)
    values = {"F1": (found.f1, [2 * x for x in both], [a + b for a, b in zip(said, true, strict=True)]),
              "precision": (found.precision, both, said), "recall": (found.recall, both, true),
              "yes": (found.yes_ratio, said, [1.0] * n)}  # fmt: skip
    return {
        f"{category}: {name}": _ratio(value, part, over, n) for name, (value, part, over) in values.items()
    }


def _ratio(value: float, part: Sequence[float], over: Sequence[float], n: int) -> Score:
    """A figure with the standard error of a ratio; nothing over nothing has none."""
    return Score.rounded(value, Score.rate(part, over).stderr if sum(over) else 0.0, n)
