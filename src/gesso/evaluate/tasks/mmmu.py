"""MMMU: college questions in thirty subjects, from the published Parquet files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final

from gesso.core.errors import MissingExtraError, UnknownNameError
from gesso.evaluate.benchmarks.mmmu import DOMAINS, SUBJECTS, question_of, shares
from gesso.evaluate.benchmarks.mmmu_answers import choice_right, open_right, read_choice, read_open
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import as_json, field_of, wrong
from gesso.evaluate.tasks.picture_questions import SHORT, Graded, PictureBenchmark, PictureQuestion, given_by

__all__ = ["Mmmu"]

FILES: Final = {"val": "validation", "test": "test", "dev": "dev"}
PICTURES: Final = ("first", "all")
MOST_PICTURES: Final = 7
ROWS: Final = 16
"""Rows read at once; each holds its pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mmmu(PictureBenchmark):
    """MMMU: `data` holds a folder for each subject with its Parquet files (MMMU/MMMU as published).

    Answers are read by the official rule; one that names no option is a random pick, the same in every run.
    Decoding is greedy, where Mini-Gemini's program samples with five beams, so its published scores are met
    only roughly.

    Attributes:
        split: "val", "test", whose answers are not public, or "dev".
        pictures: "first" shows the first picture of a question, as the original programs do; "all" shows
            all, for models that take several.
    """

    name: ClassVar[str] = "mmmu"
    tokens: ClassVar[int] = SHORT
    split: str = "val"
    pictures: str = "first"

    def __post_init__(self) -> None:
        """Refuse unknown splits and ways to show pictures."""
        for what, value, allowed in (("split", self.split, FILES), ("pictures", self.pictures, PICTURES)):
            if value not in allowed:
                raise UnknownNameError(what, value, allowed)

    @property
    def published_as(self) -> str:
        """Each split is a benchmark of its own."""
        return f"{self.name}-{self.split}"

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions, subject by subject."""
        pattern = f"{FILES[self.split]}-*.parquet"
        files = [(subject, path) for subject in SUBJECTS
                 for path in sorted((Path(self.data) / subject).glob(pattern))]  # fmt: skip
        if not files:
            raise wrong(self.data, f"it has no SUBJECT/{pattern} of an MMMU subject (Art, ...)",
                        "give the folder of the published files with --data")  # fmt: skip
        for subject, path in files:
            for number, row in enumerate(_rows(path), start=1):
                yield self._question(subject, row, f"{path}, row {number}")

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether the answer is right by the official rule."""
        truth = question.row["answer"]
        if truth is None:
            return None, {}
        if question.row["options"]:
            return float(choice_right(truth, self._letter(question, answer))), {}
        return float(open_right(truth, read_open(answer))), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """Shares by domain, and the file for the server."""
        file, open_ = f"mmmu_{self.split}_predictions.json", any(r.score is None for r in records)
        answers = {q.id: self._letter(q, r.prediction) if q.row["options"] else r.prediction
                   for q, r in self.paired(records)}  # fmt: skip
        if open_:
            note = given_by("EvalAI (challenge 2179)", file, "upload")
            return Outcome(files={file: as_json(answers)}, notes=(note,))
        found = shares({record.id: record.score == 1 for record in records})
        figures = {}
        for domain, subjects in DOMAINS.items():
            if found[domain][1]:
                figures[domain] = Score.of([r.score or 0.0 for r in records if r.kind in subjects])
        return Outcome(figures, files={file: as_json(answers)})

    def _question(self, subject: str, row: Mapping[str, Any], place: str) -> PictureQuestion:
        for name in ("id", "question", "options", "question_type", "image_1"):
            field_of(row, name, place)
        made = question_of(row)
        count = MOST_PICTURES if self.pictures == "all" else 1
        images = [row.get(f"image_{number}") for number in range(1, count + 1)]
        pictures = tuple(_bytes(image, place) for image in images if image is not None)
        where = {"options": made.options, "answer": made.answer, "type": row["question_type"]}
        target = made.answer if isinstance(made.answer, str) else " | ".join(made.answer or ())
        return PictureQuestion(row["id"], subject, made.prompt, target, pictures, place, where)

    def _letter(self, question: PictureQuestion, answer: str) -> str:
        return read_choice(answer, question.row["options"], Random(f"{self.name}/{question.id}"))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtraError("pyarrow", "eval") from error
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                yield from batch.to_pylist()
    except (ArrowException, OSError) as error:
        raise wrong(str(path), f"it is no Parquet file ({error})", "fetch it again") from error


def _bytes(image: Any, place: str) -> bytes:
    content = image.get("bytes") if isinstance(image, Mapping) else None
    if not content:
        raise wrong(place, "its picture holds no bytes", "take the published files, which hold the pictures")
    return bytes(content)
