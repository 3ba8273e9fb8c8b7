"""Multiple choice in tables with pictures in base64: MMBench, MMStar, AI2D and RealWorldQA."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from gesso.core.errors import UnknownNameError, UsageError
from gesso.evaluate.benchmarks.choices import (
    CIRCLE,
    INSTRUCTIONS,
    Choice,
    letter_prompt,
    options_of,
    read_choice,
    rounds,
    select_prompt,
)
from gesso.evaluate.benchmarks.mmbench import circular_hits, upload_columns, workbook
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Model, Record
from gesso.evaluate.tasks.official import picture_bytes, wrong
from gesso.evaluate.tasks.picture_questions import Graded, PictureQuestion, given_by
from gesso.evaluate.tasks.tables import PictureTable

__all__ = ["Ai2d", "MmBench", "MmStar", "RealWorldQa"]

FORMS: Final = ("letter", "select")
"""Prompts: that of LLaVA and Mini-Gemini, and VLMEvalKit's."""

LETTERS: Final = "ABCDEFGH"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices(PictureTable):
    """Multiple choice in a table.

    Attributes:
        prompt: "letter" asks as LLaVA and Mini-Gemini do, "select" as VLMEvalKit.
    """

    columns: ClassVar[tuple[str, ...]] = ("index", "image", "question", "A", "B")
    prompt: str = "select"

    def __post_init__(self) -> None:
        """Refuse unknown prompts."""
        if self.prompt not in FORMS:
            raise UnknownNameError("prompt", self.prompt, FORMS)

    def questions(self) -> Iterator[PictureQuestion]:
        """All rows, each in all rounds that are asked."""
        for place, row, text in self.rows():
            choice, picture = options_of(row, LETTERS), picture_bytes(text, place)
            if not choice.options:
                raise wrong(place, "its options A, B, ... are empty", "fetch the table again")
            kept = {name: cell for name, cell in row.items() if name != "image"}
            for number, shown in enumerate(self._rounds(choice)):
                name = f"{row['index']}/{number}" if number else str(row["index"])
                asked = self._prompt(str(row["question"]), shown, row.get("hint"))
                where = {"cells": kept, "shown": shown}
                kind = row.get("category") or "all rows"
                yield PictureQuestion(name, kind, asked, row.get("answer") or "", (picture,), place, where)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether the option is right; `read` tells how many answers named one."""
        shown: Choice = question.row["shown"]
        letter = read_choice(answer, shown.options)
        read = {"read": float(letter != "")}
        return (float(shown.original(letter) == question.target) if question.target else None), read

    def _rounds(self, choice: Choice) -> list[Choice]:
        return [choice]

    def _prompt(self, question: str, shown: Choice, hint: str | None) -> str:
        if self.prompt == "select":
            return select_prompt(question, shown, hint)
        return letter_prompt(question, shown, hint, INSTRUCTIONS["en"])


@dataclass(frozen=True, slots=True, kw_only=True)
class MmBench(_Choices):
    """MMBench and MMBench-CN: `data` is the official table, such as mmbench_dev_20230712.tsv.

    The score is that of circular evaluation where the table holds rotated copies of its rows (as the
    official ones do) or `circular` makes them: a question counts if it is answered right in all rotations.

    Attributes:
        language: "en" or "cn"; which instruction follows the options.
        circular: whether each row is asked in all rotations of its options.
    """

    name: ClassVar[str] = "mmbench"
    language: str = "en"
    circular: bool = False
    prompt: str = "letter"

    def __post_init__(self) -> None:
        """Refuse unknown languages and prompts."""
        _Choices.__post_init__(self)
        if self.language not in INSTRUCTIONS:
            raise UnknownNameError("language", self.language, INSTRUCTIONS)

    @property
    def published_as(self) -> str:
        """Test answers are not public, those of dev are."""
        first = next(self.questions(), None)
        return f"{self.name}-{self.language}-{'dev' if first and first.target else 'test'}"

    def check(self, model: Model, count: int) -> None:
        """As all tasks; and openpyxl must be there, before hours have gone into answers."""
        _Choices.check(self, model, count)
        workbook((), ())

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The circular score, and the workbook for the server."""
        rows = list(self.paired(records))
        cells = [(question.row["cells"], record) for question, record in rows if "/" not in record.id]
        columns = upload_columns(list(cells[0][0])) if cells else []
        # the server wants the letter; what names none goes there as it is, for its own matching
        book = workbook(columns, [_upload_row(q, r) for q, r in rows if "/" not in r.id])
        file = f"{Path(self.data).stem}_upload.xlsx"
        if any(record.score is None for record in records):
            return Outcome(files={file: book}, notes=(given_by("MMBench's server", file, "upload"),))
        hits = circular_hits((_index(record.id), record.score == 1) for record in records)
        if len(hits) == len(records):
            return Outcome(files={file: book})
        return Outcome(
            {"circular": Score.of([float(hit) for hit in hits.values()])}, "circular", {file: book}
        )

    def _rounds(self, choice: Choice) -> list[Choice]:
        return rounds(choice, circular=self.circular)

    def _prompt(self, question: str, shown: Choice, hint: str | None) -> str:
        if self.prompt == "select":
            return select_prompt(question, shown, hint)
        return letter_prompt(question, shown, hint, INSTRUCTIONS[self.language])


def _index(name: str) -> int:
    """The number of a row; rotations that gesso makes stand under that of their row."""
    number = name.partition("/")[0]
    if not number.isdigit():
        raise UsageError(f"index {number!r} of MMBench is no number; take the official table")
    return int(number) % CIRCLE


def _upload_row(question: PictureQuestion, record: Record) -> dict[str, Any]:
    letter = read_choice(record.prediction, question.row["shown"].options)
    cells: Mapping[str, Any] = question.row["cells"]
    number = {"index": int(cells["index"])} if str(cells["index"]).isdigit() else {}
    return {**cells, **number, "prediction": letter or record.prediction}


@dataclass(frozen=True, slots=True, kw_only=True)
class MmStar(_Choices):
    """MMStar (arXiv 2403.20330): `data` is MMStar.tsv of VLMEvalKit."""

    name: ClassVar[str] = "mmstar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ai2d(_Choices):
    """AI2D (arXiv 1603.07396): `data` is AI2D_TEST.tsv of VLMEvalKit."""

    name: ClassVar[str] = "ai2d"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealWorldQa(_Choices):
    """RealWorldQA (xAI): `data` is RealWorldQA.tsv of VLMEvalKit."""

    name: ClassVar[str] = "realworldqa"
