"""MMBench (arXiv 2307.06281), English and Chinese: multiple choice in all rotations of the options."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

from gesso.core.errors import MissingExtraError
from gesso.evaluate.benchmarks.choices import CIRCLE, is_nothing

__all__ = ["circular_hits", "upload_columns", "workbook"]

UNSENT: Final = ("hint", "category", "source", "image", "comment", "l2-category")
"""Columns of the file that the server does not take."""


def circular_hits(hits: Iterable[tuple[int, bool]]) -> dict[int, bool]:
    """Of each question, whether it was answered right in every round; `hits` are pairs (index, right)."""
    found: dict[int, bool] = {}
    for index, right in hits:
        question = index % CIRCLE
        found[question] = right and found.get(question, True)
    return found


def upload_columns(columns: Sequence[str]) -> list[str]:
    """Columns of the upload: those of the file without `UNSENT`, and the prediction behind option D."""
    kept = [name for name in columns if name not in (*UNSENT, "prediction")]
    place = kept.index("D") + 1 if "D" in kept else len(kept)
    return [*kept[:place], "prediction", *kept[place:]]


def workbook(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The Excel file that the server takes; an empty cell is left empty.

    Raises:
        MissingExtraError: openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError("openpyxl", "eval") from error
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(list(columns))
    for row in rows:
        sheet.append([None if is_nothing(row.get(name)) else row[name] for name in columns])
    file = BytesIO()
    book.save(file)
    return file.getvalue()
