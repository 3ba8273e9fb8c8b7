"""Which parts of a picture are painted anew."""

from collections.abc import Sequence
from math import ceil, floor

from PIL import Image as Pictures

from gesso.canvas.canvas import WHOLE, Box, Canvas
from gesso.canvas.vocabulary import GRID

__all__ = ["changed_boxes", "white_boxes"]


def changed_boxes(old: Canvas, new: Canvas) -> tuple[Box, ...]:
    """Where pictures of two canvases differ: boxes of regions that only one of them has, old and new.

    All of the canvas if the background changed, for it tells something about every region.
    """
    if old.background != new.background:
        return (WHOLE,)
    changed = [region for region in old.regions if region not in new.regions]
    changed += [region for region in new.regions if region not in old.regions]
    return tuple(dict.fromkeys(region.box for region in changed))


def white_boxes(boxes: Sequence[Box], size: tuple[int, int]) -> Pictures.Image:
    """A picture that is white wherever some box is, if only in a part of the pixel, and black elsewhere."""
    white = Pictures.new("L", size)
    x, y = (side / GRID for side in size)
    for top, bottom, left, right in boxes:
        white.paste(255, (floor(left * x), floor(top * y), ceil(right * x), ceil(bottom * y)))
    return white
