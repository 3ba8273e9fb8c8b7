from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from canvas.examples import BOAT, CANVAS, HARBOUR, TOWER, canvases
from gesso.canvas.canvas import Canvas
from gesso.canvas.sketch import mix
from gesso.cli.layout import draw_layout, in_one_line, numbered, region_index, region_table, sheet_columns
from gesso.core.errors import UsageError


def shown(renderable: object, width: int = 120) -> str:
    file = StringIO()
    Console(file=file, width=width).print(renderable)
    return file.getvalue()


@settings(max_examples=30, deadline=None)
@given(canvases(), st.sampled_from([24, 40, 64]))
def test_every_canvas_is_drawn_as_a_rectangle(canvas: Canvas, columns: int) -> None:
    lines = draw_layout(canvas, columns).plain.split("\n")
    assert len(lines) == columns // 2
    assert {cell_len(line) for line in lines} == {columns}


def test_boxes_lie_where_regions_are_with_numbers_by_depth() -> None:
    lines = draw_layout(CANVAS, 60).plain.split("\n")
    # the boat: cells 20..70 from the top, 0..40 from the left, of 90
    assert lines[7].startswith("┌─")
    assert lines[22].startswith("└─")
    assert lines[8].startswith("│ 2 A boat.")
    assert "┌─" in lines[0][30:]
    assert "1 A tower." in lines[1]


def test_near_regions_cover_far_ones() -> None:
    near = replace(TOWER, distance_to_viewer=1, description="Near.", location="on the left")
    drawn = draw_layout(Canvas(HARBOUR, (near, BOAT)), 60).plain
    assert drawn.count("┌") == 1  # all of the boat lies behind the tower
    far = replace(near, distance_to_viewer=100)
    assert draw_layout(Canvas(HARBOUR, (far, BOAT)), 60).plain.count("┌") == 2


def test_colours_shine_through() -> None:
    drawn = draw_layout(Canvas(HARBOUR, (BOAT,)), 60)
    papers = {tuple(span.style.bgcolor.triplet) for span in drawn.spans}
    assert HARBOUR.rgb in papers
    assert mix(BOAT.rgb, HARBOUR.rgb, 0.3) in papers


def test_wide_letters_and_long_names_keep_the_form() -> None:
    long = replace(BOAT, description="一条红色的鱼在很深很深的大海里游来游去游来游去游来游去")
    lines = draw_layout(Canvas(HARBOUR, (long,)), 40).plain.split("\n")
    assert {cell_len(line) for line in lines} == {40}
    assert any("一条红" in line and "…" in line for line in lines)


def test_what_a_terminal_would_obey_is_left_out() -> None:
    assert in_one_line("a\x1b[2Jred\n\tfish\u202e") == "a[2Jred fish"
    hostile = replace(BOAT, description="\x1b]0;x\x07boat")
    canvas = Canvas(replace(HARBOUR, description="\x1b[2J"), (hostile,))
    assert "\x1b" not in draw_layout(canvas).plain + shown(region_table(canvas))


def test_the_table_says_what_where_and_how() -> None:
    rows = shown(region_table(CANVAS)).splitlines()
    assert [row.split()[0] for row in rows[2:]] == ["1", "2"]
    assert "A harbour." in rows[1]
    assert "lightsteelblue" in rows[1]
    for said in ("A tower.", "on the right, slightly to the upper", "large vertical", "9", "white"):
        assert said in rows[2]


def test_numbers_lead_back_to_regions() -> None:
    for number, region in numbered(CANVAS):
        assert CANVAS.regions[region_index(CANVAS, number)] == region
    with pytest.raises(UsageError, match="no region 3; give one of 1 to 2"):
        region_index(CANVAS, 3)
    with pytest.raises(UsageError, match="there are none"):
        region_index(Canvas(HARBOUR), 1)


def test_a_drawing_fits_its_terminal() -> None:
    assert sheet_columns(Console(width=200, height=100, force_terminal=True)) == 64
    assert sheet_columns(Console(width=41, height=100, force_terminal=True)) == 40
    assert sheet_columns(Console(width=200, height=24, force_terminal=True)) == 40
    assert sheet_columns(Console(width=240, height=5, force_terminal=False)) == 64
