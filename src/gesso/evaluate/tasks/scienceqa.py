"""ScienceQA: questions with choices, with a picture or of text alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gesso.core.errors import UnknownNameError
from gesso.evaluate.benchmarks import scienceqa
from gesso.evaluate.benchmarks.choices import INSTRUCTIONS
from gesso.evaluate.tasks.official import field_of, find_file, json_file, picture_file, wrong
from gesso.evaluate.tasks.picture_questions import Graded, PictureBenchmark, PictureQuestion

__all__ = ["ScienceQa"]

FIELDS = ("question", "choices", "answer", "hint", "image", "lecture", "solution")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScienceQa(PictureBenchmark):
    """ScienceQA: `data` holds problems.json, pid_splits.json and images/SPLIT/PID/image.png.

    Asked as LLaVA asks (CQM-A, the letter alone). Kind IMG are the questions with a picture, whose share of
    right answers is LLaVA's published figure, and TXT the others.

    Attributes:
        split: "test", "val", or a small part of either: "minitest", "minival".
    """

    name: ClassVar[str] = "scienceqa"
    split: str = "test"

    def __post_init__(self) -> None:
        """Refuse splits that there are not, and the training data."""
        allowed = ("test", "val", "minitest", "minival")
        if self.split not in allowed:
            raise UnknownNameError("split", self.split, allowed)

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions of the split."""
        path = find_file(self.data, "problems.json", task=self.name)
        splits_path = find_file(self.data, "pid_splits.json", task=self.name)
        problems = json_file(path, dict)
        for pid in field_of(json_file(splits_path, dict), self.split, str(splits_path)):
            place = f"{path}, problem {pid}"
            problem = field_of(problems, pid, place)
            values = {name: field_of(problem, name, place) for name in FIELDS}
            choices, answer = values["choices"], values["answer"]
            if not isinstance(answer, int) or not 0 <= answer < len(choices) <= len(scienceqa.LETTERS):
                raise wrong(place, f"answer {answer!r} of {len(choices)} choices", "fetch the file again")
            image = values["image"]
            whole = path.parent / "images" / self.split.removeprefix("mini")
            pictures = (picture_file(whole / pid / image, place),) if image else ()
            prompt = f"{scienceqa.question(values)}\n{INSTRUCTIONS['en']}"
            kind = "IMG" if image else "TXT"
            target = scienceqa.LETTERS[answer]
            yield PictureQuestion(pid, kind, prompt, target, pictures, place, {"choices": choices})

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether the letter is right; `read` tells how many answers named one."""
        letter = scienceqa.read_letter(answer)
        return float(letter == question.target), {"read": float(letter != scienceqa.FAILED)}
