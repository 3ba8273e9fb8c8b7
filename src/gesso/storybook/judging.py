"""What a judge of painted pictures looks at, and what it can say: crops around things, and labels.

The judge is trained (`train.objectives.judge`) and asked (`evaluate.judge`) by the same crops and labels.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from PIL import Image

from gesso.canvas.vocabulary import GRID, LOCATIONS
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, SIZES, Scene, Thing

__all__ = [
    "CROP_MARGIN", "CROP_SIDE", "JUDGED", "NONE", "NOTHING", "UNJUDGED", "Box", "Labels", "crop",
    "empty_boxes", "labels_of", "overlap",
]  # fmt: skip

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) as fractions of the picture."""

Labels = tuple[int, ...]
"""For each of `JUDGED` the number of its answer, or `UNJUDGED`."""

NOTHING: Final = "nothing"
"""The kind of an empty place."""

NONE: Final = "none"
"""The second colour of plain things."""

UNJUDGED: Final = -100
"""No answer: of nothing there is no colour, and a loss leaves this number out."""

CROP_SIDE: Final = 64
"""Pixels of a crop, whatever the size of thing and picture."""

CROP_MARGIN: Final = 0.15
"""What a crop shows around the thing's square, at each side, as a share of the square."""

CLEAR: Final = 0.1  # share of an empty square that things may reach into

JUDGED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "kind": (NOTHING, *KINDS),
        "colour": COLOURS,
        "pattern": PATTERNS,
        "second_colour": (NONE, *COLOURS),
    }
)
"""What is asked about a crop -> the possible answers."""


def labels_of(thing: Thing | None) -> Labels:
    """The right answers about a crop of a thing, or of nothing."""
    if thing is None:
        return (JUDGED["kind"].index(NOTHING), *[UNJUDGED] * (len(JUDGED) - 1))
    told = (thing.kind, thing.colour, thing.pattern, thing.second_colour or NONE)
    return tuple(answers.index(answer) for answers, answer in zip(JUDGED.values(), told, strict=True))


def crop(picture: Image.Image, box: Box) -> Image.Image:
    """What lies in and around a square of a picture, [CROP_SIDE, CROP_SIDE]; moved inwards at its edges."""
    width, height = picture.size
    (x0, x1), (y0, y1) = _inside(box[0], box[2]), _inside(box[1], box[3])
    region = (x0 * width, y0 * height, x1 * width, y1 * height)
    return picture.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BILINEAR, region)


def empty_boxes(scene: Scene) -> list[Box]:
    """Squares of medium size at the canvas locations where nothing is."""
    half = SIZES["medium"] / 2
    taken = [thing.box for thing in scene.things]
    found = []
    for x, y in LOCATIONS.values():
        box = (x / GRID - half, y / GRID - half, x / GRID + half, y / GRID + half)
        if all(overlap(box, other) <= CLEAR for other in taken):
            found.append(box)
    return found


def overlap(box: Box, other: Box) -> float:
    """Share of a box that another one covers."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0.0) * max(height, 0.0) / area


def _inside(low: float, high: float) -> tuple[float, float]:
    """A side of a box with its margin, moved into 0..1."""
    margin = CROP_MARGIN * (high - low)
    low, high = low - margin, high + margin
    move = max(0.0, -low) - max(0.0, high - 1)
    return max(0.0, low + move), min(1.0, high + move)
