"""TextVQA and GQA: questions that want a word or two."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gesso.core.errors import UnknownNameError
from gesso.evaluate.benchmarks import textvqa, uploads
from gesso.evaluate.benchmarks.vqa import ANNOTATORS, SHORT_ANSWER, normalise, soft_score
from gesso.evaluate.report import Outcome
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import (
    as_json,
    field_of,
    find_file,
    find_folder,
    json_file,
    json_lines,
    picture_file,
    wrong,
)
from gesso.evaluate.tasks.picture_questions import SHORT, Graded, PictureBenchmark, PictureQuestion, given_by

__all__ = ["Gqa", "TextVqa"]


def _check_split(split: str, allowed: Sequence[str]) -> None:
    if split not in allowed:
        raise UnknownNameError("split", split, allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVqa(PictureBenchmark):
    """TextVQA: `data` holds TextVQA_0.5.1_val.json, train_images/ and, for OCR tokens, a file with them.

    That file is LLaVA's llava_textvqa_val_v051_ocr.jsonl, whose prompts are taken as they are, or the
    official TextVQA_Rosetta_OCR_v0.2_val.json.

    Attributes:
        split: "val", or "test", whose answers are not public.
        ocr: whether OCR tokens stand in the prompts, as for the published scores of LLaVA and Mini-Gemini.
    """

    name: ClassVar[str] = "textvqa"
    tokens: ClassVar[int] = SHORT
    split: str = "val"
    ocr: bool = True

    def __post_init__(self) -> None:
        """Refuse splits that there are not."""
        _check_split(self.split, ("val", "test"))

    @property
    def published_as(self) -> str:
        """OCR tokens make another benchmark of it."""
        return f"{self.name}+ocr" if self.ocr else self.name

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions of the split."""
        path = find_file(self.data, f"TextVQA_0.5.1_{self.split}.json", task=self.name)
        folder = find_folder(
            self.data, "test_images" if self.split == "test" else "train_images", task=self.name
        )
        prompt_of = self._prompts()
        for number, row in enumerate(field_of(json_file(path, dict), "data", str(path)), start=1):
            place = f"{path}, question {number}"
            asked, image = field_of(row, "question", place), str(field_of(row, "image_id", place))
            answers = row.get("answers") or []
            if answers and len(answers) != ANNOTATORS:
                raise wrong(place, f"it has {len(answers)} answers", f"the official file has {ANNOTATORS}")
            picture = picture_file(folder / f"{image}.jpg", place)
            target = max(answers, key=answers.count) if answers else ""
            name = str(field_of(row, "question_id", place))
            prompt = prompt_of(image, asked, place)
            yield PictureQuestion(name, self.split, prompt, target, (picture,), place, {"answers": answers})

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """The agreement with the ten annotators."""
        answers = question.row["answers"]
        return (soft_score(answer, answers) if answers else None), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The file for EvalAI."""
        answers = [{"question_id": int(r.id) if r.id.isdigit() else r.id, "answer": normalise(r.prediction)}
                   for r in records]  # fmt: skip
        file = f"textvqa_{self.split}_predictions.json"
        notes = (given_by("EvalAI (challenge 874)", file, "upload"),) if self.split == "test" else ()
        return Outcome(files={file: as_json(answers)}, notes=notes)

    def _prompts(self) -> Any:
        """A function (image, question, place) -> prompt."""
        if not self.ocr:
            return lambda image, asked, place: textvqa.prompt(asked)
        path = find_file(self.data, f"llava_textvqa_{self.split}_v051_ocr.jsonl",
                         f"TextVQA_Rosetta_OCR_v0.2_{self.split}.json", task="textvqa --ocr")  # fmt: skip
        if path.suffix == ".jsonl":
            texts = ((str(field_of(row, "question_id", place)), field_of(row, "text", place))
                     for place, row in json_lines(path))  # fmt: skip
            prompts = {(image, textvqa.question_of(text)): text for image, text in texts}
            return lambda image, asked, place: _found(prompts, (image, asked.lower()), path, place)
        rows = field_of(json_file(path, dict), "data", str(path))
        read = {
            str(field_of(row, "image_id", str(path))): field_of(row, "ocr_tokens", str(path)) for row in rows
        }
        return lambda image, asked, place: textvqa.prompt(asked, _found(read, image, path, place))


def _found(values: dict[Any, Any], key: Any, path: Path, place: str) -> Any:
    if key not in values:
        raise wrong(place, f"{path} has nothing for {key!r}", "take files of the same version, or --no-ocr")
    return values[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gqa(PictureBenchmark):
    """GQA (arXiv 1902.09506): `data` holds testdev_balanced_questions.json and images/.

    Attributes:
        split: "testdev", "val", or "test", whose answers are not public.
    """

    name: ClassVar[str] = "gqa"
    tokens: ClassVar[int] = SHORT
    split: str = "testdev"

    def __post_init__(self) -> None:
        """Refuse splits that there are not."""
        _check_split(self.split, ("testdev", "val", "test"))

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions of the balanced file."""
        path = find_file(self.data, f"{self.split}_balanced_questions.json", task=self.name)
        folder = find_folder(self.data, "images", task=self.name)
        for name, row in json_file(path, dict).items():
            place = f"{path}, question {name}"
            prompt = f"{field_of(row, 'question', place)}\n{SHORT_ANSWER}"
            picture = picture_file(folder / f"{field_of(row, 'imageId', place)}.jpg", place)
            kind = (row.get("types") or {}).get("structural", self.split)
            yield PictureQuestion(name, kind, prompt, row.get("answer", ""), (picture,), place)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Equality, without capitals and final stops."""
        if not question.target:
            return None, {}
        return float(uploads.gqa_answer(answer) == uploads.gqa_answer(question.target)), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The file for the official scorer and server."""
        answers = uploads.gqa_upload((record.id, record.prediction) for record in records)
        file = f"{self.split}_balanced_predictions.json"
        notes = (given_by("EvalAI (challenge 225)", file, "upload"),) if self.split == "test" else ()
        return Outcome(files={file: as_json(answers)}, notes=notes)
