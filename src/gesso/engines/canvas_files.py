"""Canvases in files: programs, planners' replies, JSON and pictures that gesso painted."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.limits import MAX_SOURCE
from gesso.canvas.parse import Reading, read_canvas
from gesso.canvas.preview import preview
from gesso.canvas.svg import preview_svg
from gesso.core.errors import CanvasError, UnsupportedError, UsageError

__all__ = [
    "STANDARD_INPUT",
    "canvas_json",
    "check_canvas_path",
    "is_picture",
    "read_canvas_file",
    "reading_of",
    "write_canvas",
]

STANDARD_INPUT: Final = "-"
"""Name that stands for standard input."""

PNG: Final = b"\x89PNG\r\n\x1a\n"


def read_canvas_file(path: str | Path) -> Canvas:
    """The canvas in a file; arguments and errors as in `reading_of`."""
    return reading_of(path).canvas


def reading_of(path: str | Path, *, published: bool = False) -> Reading:
    """The canvas in a file, with the names that were corrected on reading.

    Args:
        path: a canvas program, a planner's reply with one in it, a canvas as JSON, or a picture that gesso
            painted; "-" is standard input. Regions of all but replies may name subjects.
        published: take only programs, and find them by the original's rules alone, see `read_canvas`.

    Raises:
        UsageError: there is no such file, or it is a picture that does not carry its canvas.
        UnsupportedError: a picture comes from standard input.
        MediaError: the picture is damaged.
        CanvasError: it holds no canvas; `line` is a line of the file.
    """
    data = _bytes(path)
    if data.startswith(PNG) and not published:
        return Reading(_from_picture(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CanvasError("there is something else than UTF-8 text; save the file as UTF-8", line) from error
    if text.lstrip().startswith("{") and not published:
        return Reading(_from_json(text))
    return read_canvas(text, published=published, subjects=True)


def write_canvas(canvas: Canvas, path: str | Path) -> None:
    """Write a canvas in the form that the name's ending asks for.

    Args:
        canvas: what to write.
        path: ends in .json (JSON), .py or .txt (the program), .png or .svg (a picture of the layout).

    Raises:
        UsageError: the ending is another one, or the file cannot be written.
    """
    write = check_canvas_path(path)
    try:
        write(canvas, Path(path))
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r} ({error.strerror}); give a file in an existing "
                         "folder") from error  # fmt: skip


def check_canvas_path(path: str | Path) -> Callable[[Canvas, Path], None]:
    """What writes a file of this name; good to ask before long work, which would be lost.

    Raises:
        UsageError: nothing does.
    """
    ending = Path(path).suffix.lower()
    if ending not in _WRITERS:
        raise UsageError(f"{str(path)!r} ends in {ending or 'nothing'}; allowed: {', '.join(_WRITERS)}")
    return _WRITERS[ending]


def canvas_json(canvas: Canvas) -> str:
    """A canvas as JSON text, which `reading_of` reads."""
    return json.dumps(canvas.to_dict(), ensure_ascii=False, indent=2)


def is_picture(path: str) -> bool:
    """Whether this is the name of a PNG file that exists."""
    try:
        with _place(path).open("rb") as file:
            return file.read(len(PNG)) == PNG
    except (OSError, ValueError):  # a wish is no name of a file, or too long for one
        return False


def _place(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # "~" and a name that is no user's
        return Path(path)


def _bytes(path: str | Path) -> bytes:
    """What a file holds, as far as it can be a canvas."""
    if str(path) == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    file = _place(path)
    if not file.is_file():
        raise UsageError(f"there is no file {str(path)!r}; give a canvas program, a reply, a canvas as JSON, "
                         "a picture that gesso painted, or - for standard input")  # fmt: skip
    return file.read_bytes()


def _from_picture(path: str | Path) -> Canvas:
    """The canvas in a picture's recipe."""
    if str(path) == STANDARD_INPUT:
        raise UnsupportedError("a picture comes from standard input; give the path of its file")
    # only here: canvases in text need no torch, which takes a second to import
    from gesso.engines.paint_recipe import canvas_in

    return canvas_in(_place(path))


def _from_json(text: str) -> Canvas:
    if len(text) > 4 * MAX_SOURCE:  # indentation and escapes
        raise CanvasError(f"the JSON has {len(text)} characters; at most {4 * MAX_SOURCE} are read")
    try:
        return Canvas.from_dict(json.loads(text))
    except ValueError as error:  # a JSONDecodeError, or a number of thousands of digits
        problem, line = getattr(error, "msg", error), getattr(error, "lineno", None)
        raise CanvasError(f"this is no JSON: {problem}; correct it", line) from error
    except RecursionError:
        raise CanvasError(
            "the JSON is nested too deeply; give a canvas as `gesso canvas` writes it"
        ) from None


def _write_json(canvas: Canvas, path: Path) -> None:
    path.write_text(canvas_json(canvas) + "\n", "utf-8")


def _write_source(canvas: Canvas, path: Path) -> None:
    path.write_text(canvas.to_source(), "utf-8")


def _write_png(canvas: Canvas, path: Path) -> None:
    preview(canvas).save(path)


def _write_svg(canvas: Canvas, path: Path) -> None:
    path.write_text(preview_svg(canvas), "utf-8")


_WRITERS: Final[Mapping[str, Callable[[Canvas, Path], None]]] = {
    ".json": _write_json,
    ".py": _write_source,
    ".txt": _write_source,
    ".png": _write_png,
    ".svg": _write_svg,
}
