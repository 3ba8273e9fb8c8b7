from dataclasses import replace

import numpy as np
from hypothesis import given, settings

from canvas.examples import BOAT, CANVAS, HARBOUR, canvases
from gesso.canvas.canvas import WHOLE, Canvas
from gesso.canvas.layout import box_mask, canvas_picture, region_masks
from gesso.canvas.vocabulary import GRID


def test_a_mask_is_one_inside_its_box() -> None:
    mask = box_mask((20, 70, 0, 40))
    assert mask.dtype == np.float32
    assert mask.sum() == 50 * 40
    assert mask[20:70, :40].all()
    assert box_mask(WHOLE).all()


def test_masks_follow_the_conditions() -> None:
    masks = region_masks(CANVAS)
    assert masks.shape == (3, GRID, GRID)
    for mask, condition in zip(masks, CANVAS.conditions, strict=True):
        assert np.array_equal(mask, box_mask(condition.box))


def test_near_regions_lie_on_far_ones() -> None:
    black = replace(BOAT, colour="black", distance_to_viewer=9)
    white = replace(BOAT, colour="white", location="in the center", distance_to_viewer=1)
    picture = canvas_picture(Canvas(replace(HARBOUR, colour="red"), (white, black)))
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[45, 2].tolist() == [76, 0, 0]
    assert picture[45, 30].tolist() == [201, 178, 178]
    assert picture[45, 60].tolist() == [255, 178, 178]


@given(canvas=canvases())
@settings(deadline=None)
def test_the_picture_depends_on_depth_not_on_the_order_of_the_program(canvas: Canvas) -> None:
    regions = tuple(replace(r, setting=None, distance_to_viewer=i + 1) for i, r in enumerate(canvas.regions))
    pictures = [canvas_picture(Canvas(canvas.background, order)) for order in (regions, regions[::-1])]
    assert np.array_equal(*pictures)
