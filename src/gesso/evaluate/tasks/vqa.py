"""VQAv2 (arXiv 1612.00837) and VizWiz (arXiv 1802.08218): short answers that ten people gave too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from gesso.core.errors import UnknownNameError
from gesso.evaluate.benchmarks import uploads
from gesso.evaluate.benchmarks.vqa import ANNOTATORS, SHORT_ANSWER, soft_score
from gesso.evaluate.report import Outcome
from gesso.evaluate.task import Model, Record
from gesso.evaluate.tasks.official import (
    as_json,
    field_of,
    find_file,
    find_folder,
    json_file,
    picture_file,
    wrong,
)
from gesso.evaluate.tasks.picture_questions import SHORT, Graded, PictureBenchmark, PictureQuestion, given_by

__all__ = ["VizWiz", "VqaV2"]

IMAGES: Final = {"val": "val2014", "test-dev": "test2015", "test": "test2015"}
QUESTIONS: Final = {"val": "val2014", "test-dev": "test-dev2015", "test": "test2015"}

UNANSWERABLE: Final = "When the provided information is insufficient, respond with 'Unanswerable'."
"""What LLaVA is told of VizWiz, whose pictures often do not hold the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Annotated(PictureBenchmark):
    """Answers compared with those of ten people, where these are public."""

    tokens: ClassVar[int] = SHORT

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """The agreement with the ten."""
        answers = question.row["answers"]
        return (soft_score(answer, answers) if answers else None), {}


@dataclass(frozen=True, slots=True, kw_only=True)
class VqaV2(_Annotated):
    """VQAv2: `data` holds v2_OpenEnded_mscoco_*_questions.json, the pictures, and for val the annotations.

    Attributes:
        split: "val", or "test-dev" and "test", whose answers are not public.
    """

    name: ClassVar[str] = "vqav2"
    split: str = "val"

    def __post_init__(self) -> None:
        """Refuse splits that there are not."""
        if self.split not in QUESTIONS:
            raise UnknownNameError("split", self.split, QUESTIONS)

    @property
    def published_as(self) -> str:
        """Each split is a benchmark of its own."""
        return f"{self.name}-{self.split}"

    def check(self, model: Model, count: int) -> None:
        """As all tasks; and the files for the upload must be there, before hours have gone into answers."""
        _Annotated.check(self, model, count)
        self._all_ids(())

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions of the split."""
        file = f"v2_OpenEnded_mscoco_{QUESTIONS[self.split]}_questions.json"
        path = find_file(self.data, file, task=self.name)
        images = IMAGES[self.split]
        folder = find_folder(self.data, images, task=self.name)
        given = self._given()
        for row in field_of(json_file(path, dict), "questions", str(path)):
            name = field_of(row, "question_id", str(path))
            place = f"{path}, question {name}"
            image = int(field_of(row, "image_id", place))
            picture = picture_file(folder / f"COCO_{images}_{image:012d}.jpg", place)
            prompt = f"{field_of(row, 'question', place)}\n{SHORT_ANSWER}"
            answers = given.get(name, [])
            if given and len(answers) != ANNOTATORS:
                raise wrong(
                    place, f"it has {len(answers)} answers in the annotations", "take both files of 2017"
                )
            target = max(answers, key=answers.count) if answers else ""
            yield PictureQuestion(
                str(name), self.split, prompt, target, (picture,), place, {"answers": answers}
            )

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The file for EvalAI."""
        answers = uploads.vqav2_upload(
            ((int(record.id), record.prediction) for record in records), self._all_ids(records)
        )
        file = f"vqav2_{self.split}_answers.json"
        notes = (given_by("EvalAI (challenge 830)", file, "upload"),) if self.split != "val" else ()
        return Outcome(files={file: as_json(answers)}, notes=notes)

    def _all_ids(self, records: Sequence[Record]) -> list[int]:
        """The server wants all questions of the test set; test-dev is a part of them."""
        if self.split != "test-dev":
            return [int(record.id) for record in records]
        path = find_file(self.data, "v2_OpenEnded_mscoco_test2015_questions.json", task="the upload of vqav2")
        return [row["question_id"] for row in field_of(json_file(path, dict), "questions", str(path))]

    def _given(self) -> dict[Any, list[str]]:
        if self.split != "val":
            return {}
        path = find_file(self.data, "v2_mscoco_val2014_annotations.json", task=self.name)
        rows = field_of(json_file(path, dict), "annotations", str(path))
        return {row["question_id"]: [each["answer"] for each in row["answers"]] for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class VizWiz(_Annotated):
    """VizWiz: `data` holds val.json or test.json, and val/ or test/ with the pictures.

    Attributes:
        split: "val", or "test", whose answers are not public.
    """

    name: ClassVar[str] = "vizwiz"
    split: str = "val"

    def __post_init__(self) -> None:
        """Refuse splits that there are not."""
        if self.split not in ("val", "test"):
            raise UnknownNameError("split", self.split, ("val", "test"))

    @property
    def published_as(self) -> str:
        """Each split is a benchmark of its own."""
        return f"{self.name}-{self.split}"

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions of the split."""
        path = find_file(self.data, f"{self.split}.json", f"Annotations/{self.split}.json", task=self.name)
        folder = find_folder(self.data, self.split, task=self.name)
        for number, row in enumerate(json_file(path, list), start=1):
            place = f"{path}, question {number}"
            image = field_of(row, "image", place)
            answers = [each["answer"] for each in row.get("answers", ())]
            if len(answers) not in (0, ANNOTATORS):
                raise wrong(place, f"it has {len(answers)} answers", f"the official file has {ANNOTATORS}")
            prompt = f"{field_of(row, 'question', place)}\n{UNANSWERABLE}\n{SHORT_ANSWER}"
            target = max(answers, key=answers.count) if answers else ""
            kind, picture = row.get("answer_type", self.split), picture_file(folder / image, place)
            yield PictureQuestion(image, kind, prompt, target, (picture,), place, {"answers": answers})

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The file for EvalAI."""
        file = f"vizwiz_{self.split}_answers.json"
        answers = uploads.vizwiz_upload((record.id, record.prediction) for record in records)
        notes = (given_by("EvalAI (challenge 1911)", file, "upload"),) if self.split == "test" else ()
        return Outcome(files={file: as_json(answers)}, notes=notes)
