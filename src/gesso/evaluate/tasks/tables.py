"""Benchmarks in tables with pictures in base64, as VLMEvalKit has them: OCRBench and HallusionBench."""

from ast import literal_eval
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from gesso.evaluate.benchmarks import hallusionbench, ocrbench
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import picture_bytes, picture_text, table_rows, wrong
from gesso.evaluate.tasks.picture_questions import Graded, PictureBenchmark, PictureQuestion

__all__ = ["HallusionBench", "OcrBench", "PictureTable"]

NUMBERED: Final = 3
"""Set, figure and question end an index of HallusionBench."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTable(PictureBenchmark):
    """What all tables share.

    Attributes:
        data: the table (TSV).
    """

    columns: ClassVar[tuple[str, ...]] = ("index", "image", "question")

    @property
    def split(self) -> str:
        """The table's own name, which says its split and version."""
        return Path(self.data).stem

    def rows(self) -> Iterator[tuple[str, dict[str, str | None], str]]:
        """Place, cells, and picture in base64 of each row."""
        texts: dict[str, str] = {}
        for place, row in table_rows(Path(self.data), self.columns):
            if row["index"] is None or row["question"] is None:
                raise wrong(place, "it has no index or no question", "fetch the table again")
            text = picture_text(row, texts, place)
            if row["image"] is text:  # a picture of its own, to which later rows may point
                texts[row["index"]] = text
            yield place, row, text


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrBench(PictureTable):
    """OCRBench: `data` is OCRBench.tsv of VLMEvalKit; an answer must hold one of the true ones."""

    name: ClassVar[str] = "ocrbench"
    columns: ClassVar[tuple[str, ...]] = ("index", "image", "question", "answer", "category")

    def questions(self) -> Iterator[PictureQuestion]:
        """All rows."""
        for place, row, text in self.rows():
            truths = _listed(row["answer"], place)
            name, picture = str(row["index"]), picture_bytes(text, place)
            target, kind = " | ".join(truths), str(row["category"])
            yield PictureQuestion(
                name, kind, str(row["question"]), target, (picture,), place, {"truths": truths}
            )

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether a true answer is in it."""
        return float(ocrbench.holds(answer, question.row["truths"], question.kind)), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """A note on the usual unit."""
        right = sum(record.score == 1 for record in records)
        note = f"{right} of {len(records)} are right; OCRBench is usually told as that number of 1000"
        return Outcome(notes=(note,))


def _listed(cell: str | None, place: str) -> list[str]:
    """Answers of a cell: a Python list as text, which is read and not run, or one answer."""
    if cell is None:
        raise wrong(place, "it has no answer", "fetch the table again")
    if not (cell.startswith("[") and cell.endswith("]")):
        return [cell]
    try:
        found = literal_eval(cell)
    except (ValueError, SyntaxError):
        return [cell]
    return [str(each) for each in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class HallusionBench(PictureTable):
    """HallusionBench: `data` is HallusionBench.tsv of VLMEvalKit.

    The last three numbers of an index, joined by "_", are set, figure and question. The score is the mean
    of the shares of right answers, figures and questions, which OpenCompass reports.
    """

    name: ClassVar[str] = "hallusionbench"
    columns: ClassVar[tuple[str, ...]] = ("index", "image", "question", "answer", "category", "l2-category")

    def questions(self) -> Iterator[PictureQuestion]:
        """All rows."""
        for place, row, text in self.rows():
            parts = str(row["index"]).split("_")
            if len(parts) < NUMBERED or row["answer"] not in ("Yes", "No"):
                problem = f"its index is {row['index']!r}, its answer {row['answer']!r}"
                raise wrong(place, problem, "the table has such as ..._0_1_2 with Yes or No; fetch it again")
            asked = f"{row['question']} Please answer yes or no."
            group, figure, number = (row["category"], row["l2-category"], parts[-3]), parts[-2], parts[-1]
            where = {"group": group, "figure": figure, "question": number}
            kind, picture = str(row["category"]), picture_bytes(text, place)
            yield PictureQuestion(str(row["index"]), kind, asked, row["answer"], (picture,), place, where)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether the one word of yes and no that is said is right; `read` tells how many said one."""
        said = hallusionbench.read_answer(answer)
        return float(said == question.target), {"read": float(said != "Unknown")}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The three shares and their mean."""
        asked = [hallusionbench.Asked(q.row["group"], q.row["figure"], q.row["question"], r.score == 1)
                 for q, r in self.paired(records)]  # fmt: skip
        found, n = hallusionbench.hallusion_scores(asked), len(asked)
        hits = [float(each.right) for each in asked]
        # figures and questions share answers, so the mean's error is taken as that of single answers
        error = Score.of(hits).stderr
        values = {"aAcc": found.a_acc, "fAcc": found.f_acc, "qAcc": found.q_acc, "mean": found.mean}
        return Outcome({name: Score.rounded(value, error, n) for name, value in values.items()}, "mean")
