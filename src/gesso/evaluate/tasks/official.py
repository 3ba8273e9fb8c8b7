"""Reading the official files of benchmarks; errors name file, line, cause and remedy."""

import csv
import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gesso.core.errors import UsageError
from gesso.evaluate.benchmarks.choices import is_nothing

__all__ = [
    "as_json", "field_of", "find_file", "find_folder", "json_file", "json_lines", "picture_bytes",
    "picture_file", "picture_text", "table_rows", "wrong",
]  # fmt: skip

LONGEST_CELL: Final = 2**30
"""Letters of a cell; pictures in base64 are beyond the 128 KiB that csv allows."""

SHORTEST_PICTURE: Final = 64
"""Cells of fewer letters name the row that holds the picture, as VLMEvalKit's files do."""


def wrong(place: str, problem: str, remedy: str) -> UsageError:
    """The error of a file: where, what is wrong, and what to do."""
    return UsageError(f"{place}: {problem}; {remedy}")


def find_file(data: str, *names: str, task: str) -> Path:
    """The first of some files that lies in a folder, or `data` itself where it is a file of such a name."""
    root = Path(data)
    places = [root / name for name in names]
    if root.is_file() and root.name in {Path(name).name for name in names}:
        return root
    for place in places:
        if place.is_file():
            return place
    raise wrong(data, f"{task} needs {' or '.join(names)} there, which is not",
                "give the official folder with --data, laid out as in docs/evaluation.md")  # fmt: skip


def find_folder(data: str, *names: str, task: str) -> Path:
    """The first of some folders that lies in a folder."""
    root = Path(data)
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise wrong(data, f"{task} needs the folder {' or '.join(names)} there, which is not",
                "unpack the official files there, as in docs/evaluation.md")  # fmt: skip


def json_file(path: Path, kind: type[Any]) -> Any:
    """The value of a JSON file, which must be of a kind (dict or list)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise wrong(f"{path}{line}", f"it is no JSON ({error})", "fetch the file again") from error
    if not isinstance(value, kind):
        raise wrong(str(path), f"it holds a {type(value).__name__}, the official file a {kind.__name__}",
                    "fetch the file again, or give the right one")  # fmt: skip
    return value


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file with one a line, each with its place."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            place = f"{path}, line {number}"
            try:
                value = json.loads(line)
            except ValueError as error:
                raise wrong(place, f"it is no JSON ({error})", "the file has one object a line") from error
            if not isinstance(value, dict):
                raise wrong(place, f"it is a {type(value).__name__}", "the file has one object a line")
            yield place, value


def field_of(row: Mapping[str, Any], name: str, place: str) -> Any:
    """What a row has in a field."""
    if name not in row:
        raise wrong(place, f"it has no {name!r} (it has {', '.join(map(str, row)) or 'nothing'})",
                    "take the official file, or name the field so")  # fmt: skip
    return row[name]


def table_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str | None]]]:
    """The rows of a table with tabs and a header, each with its place; an empty cell is None.

    Args:
        path: the file.
        columns: those that there must be.
    """
    csv.field_size_limit(LONGEST_CELL)
    if not path.is_file():
        raise wrong(str(path), "there is no such file", "give the official table (TSV) with --data")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            there = ", ".join(reader.fieldnames or ()) or "nothing"
            raise wrong(f"{path}, line 1", f"it has no column {', '.join(missing)}, but {there}",
                        "take the official table")  # fmt: skip
        try:
            yield from ((_row_place(path, reader), _checked(path, reader, row)) for row in reader)
        except csv.Error as error:
            raise wrong(_row_place(path, reader), f"it cannot be read ({error})", "fetch it again") from error


def picture_file(path: Path, place: str) -> Path:
    """A picture, which must be there."""
    if not path.is_file():
        raise wrong(place, f"its picture {path} is not there", "unpack the official pictures there")
    return path


def picture_text(row: Mapping[str, Any], texts: Mapping[str, str], place: str) -> str:
    """The picture of a row as base64; a short cell names the row that holds it.

    Args:
        row: with `image`.
        texts: pictures of the rows before, by index.
        place: of the row.
    """
    cell = row["image"]
    if is_nothing(cell):
        raise wrong(place, "it has no picture in column image", "take the official table")
    if len(cell) >= SHORTEST_PICTURE:
        return str(cell)
    if cell not in texts:
        raise wrong(place, f"its picture is said to be that of row {cell!r}, which does not stand before it",
                    "take the whole official table, in its order")  # fmt: skip
    return texts[cell]


def picture_bytes(text: str, place: str) -> bytes:
    """A picture file from base64."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise wrong(place, f"its picture is no base64 ({error})", "fetch the table again") from error


def as_json(value: Any) -> bytes:
    """A value as a JSON file."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _row_place(path: Path, reader: "csv.DictReader[str]") -> str:
    return f"{path}, line {reader.line_num}"


def _checked(path: Path, reader: "csv.DictReader[str]", row: dict[Any, Any]) -> dict[str, str | None]:
    if None in row or None in row.values():
        extra = row.pop(None, ())  # cells beyond the columns stand under None
        cells = len(row) + len(extra) - list(row.values()).count(None)
        problem = f"it has {cells} cells for {len(reader.fieldnames or ())} columns"
        raise wrong(_row_place(path, reader), problem, "a tab is missing or too much; fetch the table again")
    return {name: cell or None for name, cell in row.items()}
