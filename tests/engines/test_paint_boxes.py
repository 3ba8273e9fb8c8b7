from dataclasses import replace

import numpy as np
import pytest

from engines.planning import canvas
from gesso.canvas.canvas import WHOLE, Canvas
from gesso.engines.paint_boxes import changed_boxes, white_boxes

OLD = canvas("red fish", "blue boat")
FISH, BOAT = OLD.regions


def test_nothing_changed_is_no_box() -> None:
    assert changed_boxes(OLD, canvas("red fish", "blue boat")) == ()


@pytest.mark.parametrize(
    ("regions", "boxes"),
    [
        ((FISH,), (BOAT.box,)),
        ((FISH, replace(BOAT, colour="green")), (BOAT.box,)),
        ((FISH, replace(BOAT, location="on the top")), (BOAT.box, replace(BOAT, location="on the top").box)),
        ((), (FISH.box, BOAT.box)),
    ],
)
def test_boxes_of_what_went_and_what_came(regions: tuple, boxes: tuple) -> None:
    assert changed_boxes(OLD, Canvas(OLD.background, regions)) == boxes


def test_another_background_changes_everything() -> None:
    assert changed_boxes(OLD, canvas("red fish", "blue boat", place="in a wood")) == (WHOLE,)


def test_boxes_are_white_to_the_last_pixel_they_touch() -> None:
    white = np.asarray(white_boxes([(0, 30, 0, 1), (89, 90, 89, 90)], (48, 32)))
    assert white[:11, 0].tolist() == [255] * 11  # 30 cells are 10.7 pixels
    assert (white == 255).sum() == 12
    assert white[31, 47] == 255
