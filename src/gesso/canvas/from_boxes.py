"""Canvases from annotated pictures: a caption, and boxes with labels, as Open Images has them.

Each box becomes the region nearest to it: the location and offset nearest to its centre, the area nearest to
its width and height. Together they minimise the sum of the squared distances between the edges of the two.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import sqrt
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.colours import COLOURS
from gesso.canvas.parts import GlobalDescription, Region
from gesso.canvas.vocabulary import AREAS, GRID, LOCATIONS, OFFSETS
from gesso.core.errors import UsageError

__all__ = ["LabelledBox", "Manner", "canvas_from_boxes", "colour_of", "nearest_layout"]

RGB = tuple[int, int, int]

FARTHEST: Final = 10.0
NEAREST: Final = 2.0
"""Distances of boxes of no area, and of one that fills the picture."""

INSIDE: Final = 0.7
"""Share of a box that lies in a larger one, from which on it counts as being in front of it."""

IN_FRONT: Final = 0.8
"""Its distance then, as a share of the larger one's, at most."""

UNKNOWN: Final = "gray"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledBox:
    """One thing in a picture; edges as shares of the picture's width and height, as in Open Images.

    Attributes:
        label: what it is, such as "brown dog".
        xmin: left edge, 0..1.
        xmax: right edge.
        ymin: upper edge.
        ymax: lower edge.
        rgb: its mean colour, each 0..255, if known.
        details: further sentences about it.
        group: whether it is several of them (`IsGroupOf`).
    """

    label: str
    xmin: float
    xmax: float
    ymin: float
    ymax: float
    rgb: RGB | None = None
    details: tuple[str, ...] = ()
    group: bool = False

    def __post_init__(self) -> None:
        """Refuse boxes without a label, and edges that are outside or the wrong way round."""
        if not self.label.strip():
            raise UsageError("a box has no label; say what is in it")
        if not (0 <= self.xmin < self.xmax <= 1 and 0 <= self.ymin < self.ymax <= 1):
            edges = (self.xmin, self.xmax, self.ymin, self.ymax)
            raise UsageError(f"box of {self.label!r} has the edges {edges}; they must be shares of the "
                             "picture, 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1")  # fmt: skip

    @property
    def area(self) -> float:
        """Its share of the picture, 0..1."""
        return (self.xmax - self.xmin) * (self.ymax - self.ymin)

    def shared(self, other: "LabelledBox") -> float:
        """The share of the picture that both cover."""
        width = min(self.xmax, other.xmax) - max(self.xmin, other.xmin)
        height = min(self.ymax, other.ymax) - max(self.ymin, other.ymin)
        return max(width, 0.0) * max(height, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What all regions have in common: the sentences of a program that an annotation does not tell."""

    atmosphere: str = "natural"
    style: str = "photograph"
    quality_meta: str = "clear"


def canvas_from_boxes(
    caption: str,
    boxes: Iterable[LabelledBox],
    *,
    rgb: RGB | None = None,
    most: int = 9,
    manner: Manner | None = None,
) -> Canvas:
    """The canvas that an annotated picture shows.

    Smaller boxes count as farther away, but one that lies inside a larger one is in front of it. A colour is
    the one a label names, else the name nearest to the mean colour, else gray.

    Args:
        caption: what the whole picture shows.
        boxes: the things in it, in any order.
        rgb: the picture's mean colour, if known.
        most: how many of the boxes become regions, the largest first.
        manner: the sentences of each region that no annotation tells.

    Raises:
        UsageError: `most` is below 1.
        CanvasError: the texts are too long for a canvas.
    """
    if most < 1:
        raise UsageError(f"most is {most}; a canvas needs room for one region at least")
    chosen = sorted(boxes, key=lambda box: -box.area)[:most]
    manner = manner or Manner()
    pairs = zip(chosen, _distances(chosen), strict=True)
    regions = tuple(_region(box, distance, manner) for box, distance in pairs)
    labels = dict.fromkeys(box.label for box in chosen)
    return Canvas(GlobalDescription(caption, (), ", ".join(labels), colour_of(caption, rgb)), regions)


def nearest_layout(box: LabelledBox) -> tuple[str, str, str]:
    """Location, offset and area of the region nearest to a box; of several the first in the vocabularies."""
    x, y = (box.xmin + box.xmax) / 2 * GRID, (box.ymin + box.ymax) / 2 * GRID
    width, height = (box.xmax - box.xmin) * GRID, (box.ymax - box.ymin) * GRID
    # offsets in the outer loop: without one, where that is as near
    offset, location = min(product(OFFSETS, LOCATIONS), key=lambda names: _apart(_centre(*names), (x, y)))
    return location, offset, min(AREAS, key=lambda name: _apart(AREAS[name], (width, height)))


def colour_of(text: str, rgb: RGB | None = None) -> str:
    """A key of `COLOURS`: the first colour a text names, else the nearest to a colour, else gray."""
    words = re.findall(r"[a-z]+", text.lower().replace("grey", "gray"))
    named = [one + other for one, other in pairwise(words)] + words  # "light blue" before "blue"
    found = next((word for word in named if word in COLOURS), None)
    if found is not None or rgb is None:
        return found or UNKNOWN
    return min(COLOURS, key=lambda name: _apart(COLOURS[name], rgb))


def _region(box: LabelledBox, distance: float, manner: Manner) -> Region:
    location, offset, area = nearest_layout(box)
    return Region(
        location=location,
        offset=offset,
        area=area,
        distance_to_viewer=distance,
        description=f"a group of {box.label}" if box.group else box.label,
        detailed_descriptions=box.details,
        tags=box.label.lower(),
        atmosphere=manner.atmosphere,
        style=manner.style,
        quality_meta=manner.quality_meta,
        colour=colour_of(box.label, box.rgb),
    )


def _distances(boxes: Sequence[LabelledBox]) -> list[float]:
    """A distance for each box, largest box first."""
    distances: list[float] = []
    for place, box in enumerate(boxes):
        around = (n for n in range(place) if boxes[n].shared(box) >= INSIDE * box.area)
        own = FARTHEST - (FARTHEST - NEAREST) * sqrt(box.area)
        distances.append(min([own, *(IN_FRONT * distances[n] for n in around)]))
    return [round(distance, 2) for distance in distances]


def _centre(offset: str, location: str) -> tuple[float, float]:
    (x, y), (dx, dy) = LOCATIONS[location], OFFSETS[offset]
    return x + dx, y + dy


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The squared distance of two points."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
