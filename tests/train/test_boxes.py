from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gesso.canvas.parse import read_canvas
from gesso.canvas.parts import Region
from gesso.canvas.vocabulary import AREAS, GRID, LOCATIONS, OFFSETS
from gesso.core.errors import CanvasError, TrainingError
from gesso.train.boxes import read_boxes

DOG = {"box": [20, 200, 250, 460], "label": "The brown dog", "details": ["its ears fly"], "depth": 4.0}
BALL = {"box": [400, 380, 470, 450], "label": "a ball"}


def annotation(*boxes: Any, **more: Any) -> dict[str, Any]:
    return {"caption": "a dog runs", "width": 640, "height": 480, "boxes": list(boxes), **more}


def only_region(*box: float, **more: Any) -> Region:
    """The region of one box in a picture of 90 x 90 pixels, so that cells are pixels."""
    item = {"box": list(box), "label": "a cat", **more}
    _, canvas = read_boxes({**annotation(item), "width": 90, "height": 90})
    return canvas.regions[0]


def test_an_annotation_becomes_a_canvas_that_its_program_gives_back() -> None:
    caption, canvas = read_boxes(annotation(DOG, BALL, details=["the sun shines"]))
    assert caption == canvas.background.description == "a dog runs"
    assert canvas.background.detailed_descriptions == ("the sun shines",)
    assert canvas.background.tags == "brown dog, ball"
    dog, ball = canvas.regions
    assert (dog.description, dog.detailed_descriptions, dog.tags) == (
        DOG["label"],
        ("its ears fly",),
        "brown dog",
    )
    assert (dog.colour, ball.colour) == ("brown", "gray")
    assert dog.distance_to_viewer == 4.0
    assert read_canvas(canvas.to_source(fenced=True)).canvas == canvas


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("area", ["a small square area", "a medium-sized vertical area"])
def test_a_region_s_own_box_gives_its_box(location: str, area: str) -> None:
    drawn = Region(location, "no offset", area, 1.0, "a cat", (), "cat", "", "", "", "red")
    top, bottom, left, right = drawn.box
    assert only_region(left, top, right, bottom).box == drawn.box


@given(x=st.floats(0, 80), y=st.floats(0, 80), width=st.floats(1, 90), height=st.floats(1, 90))
def test_every_box_has_a_region_near_it(x: float, y: float, width: float, height: float) -> None:
    right, bottom = min(x + width, GRID), min(y + height, GRID)
    region = only_region(x, y, right, bottom)
    top, low, left, far = region.box
    assert region.location in LOCATIONS
    assert region.offset in OFFSETS
    assert region.area in AREAS
    assert left - 15 <= (x + right) / 2 <= far + 15
    assert top - 15 <= (y + bottom) / 2 <= low + 15


def test_without_depth_lower_things_are_nearer() -> None:
    near, far = only_region(10, 50, 40, 90), only_region(10, 0, 40, 30)
    assert 1 <= near.distance_to_viewer < far.distance_to_viewer <= 10
    assert only_region(10, 0, 40, 30, depth=2).distance_to_viewer == 2


def test_colours_come_from_the_picture_unless_the_label_names_one(tmp_path: Path) -> None:
    picture = Image.new("RGB", (640, 480), (255, 250, 250))
    picture.paste((1, 1, 129), (400, 380, 470, 450))
    picture.save(tmp_path / "a.png")
    _, canvas = read_boxes(annotation(DOG, BALL, image="a.png"), tmp_path)
    assert [region.colour for region in canvas.regions] == ["brown", "navy"]
    assert canvas.background.colour == "snow"
    _, without = read_boxes(annotation(BALL, image="a.png"))
    assert without.regions[0].colour == without.background.colour == "gray"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"caption": 3}, "caption is 3"),
        ({"boxes": None}, "boxes is None"),
        ({"width": True}, "width is True"),
        ({"height": 0}, "a picture of 640 x 0 pixels"),
        ({"boxes": ["cat"]}, "a box is 'cat'"),
        ({"boxes": [{"label": "cat"}]}, "box is None"),
        ({"boxes": [{"box": [0, 0, 10, 10]}]}, "label is None"),
        ({"boxes": [{"box": [0, 0, 10], "label": "cat"}]}, "left, top, right, bottom"),
        ({"boxes": [{"box": [0, 0, 0, 10], "label": "cat"}]}, "is empty, or not inside 640 x 480"),
        ({"boxes": [{"box": [0, 0, 700, 10], "label": "cat"}]}, "is empty, or not inside"),
        ({"boxes": [{**DOG, "details": "none"}]}, "details is 'none'"),
    ],
)
def test_what_is_no_annotation_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read_boxes({**annotation(DOG), **wrong})


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"depth": "far"}, {"details": [3]}])
def test_what_a_canvas_cannot_hold_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CanvasError):
        read_boxes(annotation({**DOG, **wrong}))
