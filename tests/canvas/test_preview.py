from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from canvas.examples import BOAT, CANVAS, HARBOUR, canvases, refusal
from gesso.canvas.canvas import Canvas
from gesso.canvas.preview import preview
from gesso.core.errors import MediaError


def difference(one: Image.Image, other: Image.Image) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what differs, in pixels."""
    rows, columns = np.nonzero((np.asarray(one) != np.asarray(other)).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_preview_shows_the_colours() -> None:
    picture = preview(Canvas(HARBOUR, (BOAT,)), (180, 180))
    assert picture.size == (180, 180)
    assert picture.getpixel((170, 10)) == HARBOUR.rgb
    red, green, blue = picture.getpixel((40, 100))
    assert red > 160
    assert max(green, blue) < 100


def test_near_boxes_cover_far_ones() -> None:
    far, near = replace(BOAT, colour="black", distance_to_viewer=9), replace(BOAT, colour="white")
    assert min(preview(Canvas(HARBOUR, (near, far)), (180, 180)).getpixel((40, 100))) > 150
    assert (
        max(preview(Canvas(HARBOUR, (replace(near, distance_to_viewer=10), far))).getpixel((110, 300))) < 100
    )


def test_a_region_changes_nothing_far_from_its_box() -> None:
    with_it, without = (
        preview(CANVAS, (450, 450)),
        preview(replace(CANVAS, regions=CANVAS.regions[1:]), (450, 450)),
    )
    left, top, right, bottom = difference(with_it, without)
    margin = 15  # the shadow's
    assert top >= 100 - margin
    assert bottom <= 350 + margin
    assert right <= 200 + margin
    assert (left, top) != (right, bottom)


def test_descriptions_are_written() -> None:
    other = replace(CANVAS, regions=(replace(BOAT, description="A ship."), *CANVAS.regions[1:]))
    assert preview(CANVAS).tobytes() != preview(other).tobytes()


def test_long_names_are_cut_to_their_box() -> None:
    plain = Canvas(HARBOUR, (replace(BOAT, description=""),))
    long = Canvas(HARBOUR, (replace(BOAT, description="A boat with a very long name. " * 9),))
    _, _, right, _ = difference(preview(plain), preview(long))
    assert 512 * 30 // 90 < right <= 512 * 40 // 90  # the box ends at cell 40


def test_what_the_font_cannot_write_is_named_by_its_place() -> None:
    chinese = Canvas(HARBOUR, (replace(BOAT, description="一条船"),))
    english = Canvas(HARBOUR, (replace(BOAT, description="on the left"),))
    assert preview(chinese).tobytes() == preview(english).tobytes()


def test_a_font_must_be_one(tmp_path: Path) -> None:
    path = tmp_path / "font.ttf"
    path.write_bytes(b"no font")
    with pytest.raises(MediaError, match=r"cannot be read as a font.*give a .ttf or .otf"):
        preview(CANVAS, font=path)


def test_sizes_have_bounds() -> None:
    assert "give sides from 64" in str(refusal(preview, CANVAS, (10, 10)))


@given(canvas=canvases())
@settings(deadline=None, max_examples=25)
def test_any_canvas_can_be_shown(canvas: Canvas) -> None:
    assert preview(canvas, (96, 64)).size == (96, 64)
