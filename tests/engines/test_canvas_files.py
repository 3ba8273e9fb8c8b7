import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import given, settings
from PIL import Image

from canvas.examples import CANVAS, PROGRAM, canvases, fenced
from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import read_canvas
from gesso.core.errors import CanvasError, UnsupportedError, UsageError
from gesso.diffusion.settings import PaintSettings
from gesso.engines.canvas_files import (
    canvas_json,
    check_canvas_path,
    read_canvas_file,
    reading_of,
    write_canvas,
)
from gesso.engines.paint_recipe import Painting, PaintRecipe


@settings(max_examples=25, deadline=None)
@given(canvases(with_subjects=True))
def test_what_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, canvas: Canvas) -> None:
    folder = tmp_path_factory.mktemp("files")
    for name in ("a.json", "a.py", "a.TXT"):
        write_canvas(canvas, folder / name)
        assert read_canvas_file(folder / name) == canvas


def test_pictures_of_the_layout_are_written(tmp_path: Path) -> None:
    write_canvas(CANVAS, tmp_path / "a.png")
    write_canvas(CANVAS, tmp_path / "a.svg")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (512, 512)
    assert "A tower." in (tmp_path / "a.svg").read_text("utf-8")


def test_programs_replies_and_json_are_read_however_the_file_is_called(tmp_path: Path) -> None:
    canvas = read_canvas(PROGRAM).canvas
    for text in (PROGRAM, f"Sure:\n{fenced(PROGRAM)}\n", "\ufeff" + PROGRAM, "\n " + canvas_json(canvas)):
        (tmp_path / "a.txt").write_text(text, "utf-8")
        assert read_canvas_file(tmp_path / "a.txt") == canvas


def test_corrections_come_with_the_canvas(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(PROGRAM.replace("on the left", "on the lefft"), "utf-8")
    (correction,) = reading_of(tmp_path / "a.py").corrections
    assert (correction.line, correction.used) == (3, "on the left")


def test_the_published_rules_take_programs_only(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(canvas_json(CANVAS), "utf-8")
    with pytest.raises(CanvasError, match="no canvas program"):
        reading_of(tmp_path / "a.json", published=True)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"background": 1,\n}', "line 2: this is no JSON"),
        (b'{"background": {}}', "canvas lacks the key 'regions'"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply|no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"canvas = Canvas()\n\xff", "line 2: there is something else than UTF-8"),
        (b"{" + b" " * 1_200_000, "at most 1048576 are read"),
        (b"hello", "no canvas program"),
    ],
)
def test_what_is_no_canvas_is_told_with_its_line(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(CanvasError, match=told):
        read_canvas_file(tmp_path / "a.json")


def test_a_painting_brings_its_canvas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = PaintRecipe(canvas=CANVAS, settings=PaintSettings(), painter="mini-sdxl", weights="0")
    path = Painting.of(Image.new("RGB", (9, 9)), recipe).save(tmp_path / "a.png")
    assert read_canvas_file(path) == CANVAS
    with pytest.raises(CanvasError, match="UTF-8"):
        reading_of(path, published=True)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(path.read_bytes())))
    with pytest.raises(UnsupportedError, match="give the path of its file"):
        read_canvas_file("-")


def test_other_pictures_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="carries no recipe"):
        read_canvas_file(tmp_path / "a.png")


def test_files_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_canvas_file(tmp_path / "a.py")
    with pytest.raises(UsageError, match=r"ends in nothing; allowed: \.json"):
        check_canvas_path("canvas")
    with pytest.raises(UsageError, match="cannot write"):
        write_canvas(CANVAS, tmp_path / "missing" / "a.py")
