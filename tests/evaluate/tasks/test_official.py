from pathlib import Path

import pytest

from evaluate.official_files import base64_png, png, write_table
from gesso.core.errors import UsageError
from gesso.evaluate.tasks.official import (
    field_of,
    find_file,
    find_folder,
    json_file,
    picture_bytes,
    picture_text,
    table_rows,
)


def test_lines_are_counted_through_cells_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('index\tquestion\n1\t"two\nlines"\n2\t\n')
    rows = list(table_rows(path, ("index",)))
    assert [row for _, row in rows] == [
        {"index": "1", "question": "two\nlines"},
        {"index": "2", "question": None},
    ]
    assert [place.rpartition(" ")[2] for place, _ in rows] == ["3", "4"]


def test_long_cells_and_short_rows(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.tsv", [{"index": 1, "image": "x" * 300_000}])
    ((_, row),) = table_rows(path, ("index", "image"))
    assert len(row["image"] or "") == 300_000
    path.write_text("index\timage\n1\n")
    with pytest.raises(UsageError, match=r"a.tsv, line 2: it has 1 cells for 2 columns"):
        list(table_rows(path, ()))
    path.write_text("")
    with pytest.raises(UsageError, match=r"a.tsv, line 1: it has no column index, but nothing"):
        list(table_rows(path, ("index",)))


def test_a_picture_may_be_that_of_an_earlier_row() -> None:
    text = base64_png()
    assert picture_text({"image": text}, {}, "here") == text
    assert picture_text({"image": "7"}, {"7": text}, "here") == text
    assert picture_bytes(text, "here").startswith(png()[:8])
    with pytest.raises(UsageError, match="here: its picture is no base64"):
        picture_bytes("a" * 65, "here")


def test_files_and_folders_are_found_or_named(tmp_path: Path) -> None:
    path = tmp_path / "b" / "a.json"
    path.parent.mkdir()
    path.write_text("{}")
    assert find_file(str(tmp_path), "a.json", "b/a.json", task="t") == path
    assert find_file(str(path), "a.json", task="t") == path
    assert find_folder(str(tmp_path), "c", "b", task="t") == path.parent
    with pytest.raises(UsageError, match=r"t needs c.json or d.json there"):
        find_file(str(tmp_path), "c.json", "d.json", task="t")
    with pytest.raises(UsageError, match="t needs the folder c there"):
        find_folder(str(tmp_path), "c", task="t")
    assert json_file(path, dict) == {}
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"a.json: it is no JSON"):
        json_file(path, dict)
    with pytest.raises(UsageError, match=r"here: it has no 'a' \(it has b\)"):
        field_of({"b": 1}, "a", "here")
