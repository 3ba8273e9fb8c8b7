from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from canvas.examples import BOAT, CANVAS, HARBOUR, TOWER, canvases, refusal
from gesso.canvas.canvas import Canvas
from gesso.canvas.svg import preview_svg

SPACE = "{http://www.w3.org/2000/svg}"
KNOWN = {f"{SPACE}{name}" for name in ("svg", "rect", "text", "title")}


def boxes(document: str) -> list[ElementTree.Element]:
    return [
        box for box in ElementTree.fromstring(document).iter(f"{SPACE}rect") if "data-region" in box.attrib
    ]


def test_boxes_come_by_depth_with_their_index() -> None:
    tower, boat = boxes(preview_svg(CANVAS, (900, 450)))
    assert [box.attrib["data-region"] for box in (tower, boat)] == ["1", "0"]
    assert [boat.attrib[name] for name in ("x", "y", "width", "height")] == [
        "0.00",
        "100.00",
        "400.00",
        "250.00",
    ]
    assert boat.attrib["fill"] == "#b22222"


def test_all_texts_are_in_the_tooltip() -> None:
    (box,) = boxes(preview_svg(Canvas(HARBOUR, (BOAT,))))
    title = box.find(f"{SPACE}title")
    assert title is not None
    assert title.text == (
        "A boat.\non the left, no offset, a small square area, distance 4.5\n"
        "Red hull.\nA net.\nboat, red\nCalm.\nOil.\nSharp.\nfirebrick"
    )


def test_names_are_cut_to_their_box() -> None:
    long = replace(TOWER, description="A tower that is described at great length, " * 9)
    texts = [
        text.text
        for text in ElementTree.fromstring(preview_svg(Canvas(HARBOUR, (long,)))).iter(f"{SPACE}text")
    ]
    assert texts[0] == "A harbour."
    assert texts[1] is not None
    assert texts[1].startswith("1 · A tower that is")
    assert texts[1].endswith("…")
    assert len(texts[1]) < 45


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "]]>&amp;\"'", "\x00\x1b\ufffe", "一条船 🚤"])
def test_texts_stay_texts(text: str) -> None:
    document = preview_svg(Canvas(replace(HARBOUR, description=text), (replace(BOAT, tags=text),)))
    tree = ElementTree.fromstring(document)
    assert {element.tag for element in tree.iter()} == KNOWN
    shown = "".join(letter for letter in text if letter not in "\x00\x1b\ufffe")
    assert shown in "".join(tree.itertext())


@given(canvas=canvases())
@settings(deadline=None)
def test_any_canvas_is_a_document(canvas: Canvas) -> None:
    document = preview_svg(canvas, (96, 64))
    assert len(boxes(document)) == len(canvas.regions)
    assert {element.tag for element in ElementTree.fromstring(document).iter()} <= KNOWN


def test_sizes_have_bounds() -> None:
    assert "give sides from 64" in str(refusal(preview_svg, CANVAS, (10, 10)))
