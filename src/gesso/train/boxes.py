"""Canvases from pictures that people have annotated: a caption, and boxes with what is in them.

One annotation is one JSON object:

    {"caption": "a dog runs after a red ball", "width": 640, "height": 480, "image": "dogs/1.jpg", "boxes": [
        {"box": [20, 200, 250, 460], "label": "a brown dog", "details": ["its ears fly"], "depth": 4.0},
        {"box": [400, 380, 470, 450], "label": "a red ball"}]}

`box` is (left, top, right, bottom) in pixels. `image`, `details` (of the caption too) and `depth` may be
missing. Flickr30k Entities, Visual Genome and GRIT are data of this kind, a few lines of code away from it.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gesso.canvas.canvas import Canvas
from gesso.canvas.colours import COLOURS
from gesso.canvas.parts import GlobalDescription, Region
from gesso.canvas.vocabulary import AREAS, GRID, LOCATIONS, OFFSETS
from gesso.core.errors import TrainingError
from gesso.media.images import load_image

__all__ = ["read_boxes"]

NEAREST, FARTHEST = 1.0, 10.0
PLAIN: Final = "gray"
"""Colour where neither the label nor a picture tells one."""

Layout = tuple[str, str, str]


def read_boxes(annotation: Mapping[str, Any], images: Path | None = None) -> tuple[str, Canvas]:
    """The caption of an annotation, and the canvas that shows its boxes.

    A box becomes the region of the canvas vocabulary that covers it best (intersection over union, on the
    grid of 90 x 90 cells; small boxes count as large as the smallest region). Its distance is the depth, if
    that is told; else what stands lower in the picture counts as nearer. Its colour is one that the label
    names, or the mean colour of the middle of the box in the picture.

    Args:
        annotation: as in this module's description.
        images: folder that `image` is relative to; without it no picture is read.

    Raises:
        TrainingError: a field is missing or of another type, or a box lies outside of its picture.
        CanvasError: the texts or boxes are too many for a canvas.
        MediaError: the picture cannot be read.
    """
    caption, boxes = _field(annotation, "caption", str), _field(annotation, "boxes", list)
    size = tuple(_field(annotation, name, int | float) for name in ("width", "height"))
    if not min(size) > 0:
        raise TrainingError(f"a picture of {size[0]} x {size[1]} pixels; both must be above 0")
    name = annotation.get("image")
    picture = load_image(images / str(name)) if images and name else None
    regions = tuple(_region(box, size, picture) for box in boxes)
    labels = dict.fromkeys(region.tags for region in regions)
    colour = _colour(caption, picture, (0.0, 0.0, 1.0, 1.0)) if picture else PLAIN
    background = GlobalDescription(caption, _details(annotation), ", ".join(labels), colour)
    return caption, Canvas(background, regions)


def _region(item: Any, size: Sequence[float], picture: Image.Image | None) -> Region:
    if not isinstance(item, dict):
        raise TrainingError(f"a box is {item!r}; it must be an object with box and label")
    label, corners = _field(item, "label", str), _field(item, "box", list)
    if len(corners) != 4 or not all(isinstance(value, int | float) for value in corners):
        raise TrainingError(f"box {corners} of {label!r}; it must be [left, top, right, bottom] in pixels")
    left, top, right, bottom = (value / size[n % 2] for n, value in enumerate(corners))
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise TrainingError(
            f"box {corners} of {label!r} is empty, or not inside {size[0]} x {size[1]} pixels"
        )
    location, offset, area = _best_layout((left, top, right, bottom))
    depth = item.get("depth", round(FARTHEST - (FARTHEST - NEAREST) * bottom, 1))
    return Region(
        location=location,
        offset=offset,
        area=area,
        distance_to_viewer=depth,
        description=label,
        detailed_descriptions=_details(item),
        tags=re.sub(r"^(an?|the) ", "", label.lower()),
        atmosphere="",
        style="",
        quality_meta="",
        colour=_colour(label, picture, (left, top, right, bottom)),
    )


def _best_layout(box: tuple[float, float, float, float]) -> Layout:
    """Location, offset and area of the region that covers a box best; of equals the first of all names."""
    names, corners = _layouts()
    wanted = _grown(np.array(box) * GRID)
    low, high = np.maximum(corners[:, :2], wanted[:2]), np.minimum(corners[:, 2:], wanted[2:])  # [N, 2] each
    shared = (high - low).clip(0).prod(1)  # [N]
    either = (corners[:, 2:] - corners[:, :2]).prod(1) + (wanted[2:] - wanted[:2]).prod() - shared
    return names[int((shared / either).argmax())]


def _grown(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """A box as large as the smallest region at least, around the same centre, cut at the picture's edge.

    Small boxes would otherwise fit best into what a corner leaves of a region.
    """
    least = np.min(list(AREAS.values()), axis=0)  # [2]: width, height
    half = np.maximum(box[2:] - box[:2], least) / 2
    centre = (box[:2] + box[2:]) / 2
    return np.concatenate([centre - half, centre + half]).clip(0, GRID)


@cache
def _layouts() -> tuple[list[Layout], NDArray[np.float64]]:
    """All N = 729 layouts, and their boxes (left, top, right, bottom) in cells, [N, 4]."""
    names = [(place, offset, area) for offset in OFFSETS for area in AREAS for place in LOCATIONS]
    boxes = [Region(*layout, 1.0, "", (), "", "", "", "", PLAIN).box for layout in names]
    return names, np.array([(left, top, right, bottom) for top, bottom, left, right in boxes], np.float64)


def _colour(text: str, picture: Image.Image | None, box: tuple[float, float, float, float]) -> str:
    """The first colour a text names, else the nearest to the mean of the middle half of a box."""
    named = next((word for word in re.findall(r"[a-z]+", text.lower()) if word in COLOURS), None)
    if named or picture is None:
        return named or PLAIN
    left, top, right, bottom = box
    x, y, w, h = (left + right) / 2, (top + bottom) / 2, (right - left) / 4, (bottom - top) / 4
    width, height = picture.size
    middle_half = ((x - w) * width, (y - h) * height, (x + w) * width, (y + h) * height)
    middle = picture.resize((1, 1), Image.Resampling.BOX, middle_half)
    mean = np.array(middle.getpixel((0, 0)), np.float64)
    return min(COLOURS, key=lambda name: float(((mean - COLOURS[name]) ** 2).sum()))


def _details(item: Mapping[str, Any]) -> tuple[str, ...]:
    details = item.get("details", [])
    if not isinstance(details, list):
        raise TrainingError(f"details is {details!r}; it must be a list of texts")
    return tuple(details)  # the canvas checks what is in it


def _field(item: Mapping[str, Any], name: str, kind: Any) -> Any:
    value = item.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TrainingError(f"{name} is {value!r}; it must be {_named(kind)}, as gesso.train.boxes describes")
    return value


def _named(kind: Any) -> str:
    return {str: "a text", list: "a list"}.get(kind, "a number")
