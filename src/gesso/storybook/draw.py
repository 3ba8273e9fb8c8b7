"""Paints scenes: paper-cut stickers before a muted backdrop, with the map of what is where.

Every thing is painted as palette indices on a small supersampled picture of its own, gets its pattern by
adding a tile, its tilt by one affine transform and its colours from a palette, and is then pasted with an
edge of paper and a soft shadow. What varies follows from the scene's seed and the thing's location, so
editing one thing changes no other.
"""

from math import ceil, cos, floor, radians, sin
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from gesso.core.errors import UsageError
from gesso.storybook.brush import Brush
from gesso.storybook.kinds import KIND_DRAWERS
from gesso.storybook.palette import SHADE_LEVELS, thing_palette
from gesso.storybook.patterns import PHASES, pattern_tile
from gesso.storybook.places import backdrop
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.signs import hang_sign, sign_board
from gesso.storybook.sticker import BORDER, SILHOUETTE, Frame, Sticker, paste

__all__ = [
    "LARGEST_SIZE",
    "SMALLEST_SIZE",
    "boxes",
    "draw",
    "draw_with_map",
    "masks",
    "sign_boxes",
    "thing_map",
]

# below, patterns are finer than a pixel; above, a supersampled picture takes hundreds of megabytes
SMALLEST_SIZE: Final = 32
LARGEST_SIZE: Final = 2048
FAST_SIZE: Final = 160  # up to it things are supersampled by three, above by four
SIGN_ROOM: Final = 0.12  # what a thing shrinks and rises by to make room for its sign

# half-covered pixels at an edge go to whoever covers more of them
_HARD: Final = [255 * (value >= 128) for value in range(256)]


def draw(scene: Scene, size: int = 128) -> Image.Image:
    """Paint a scene as an RGB picture of `size` x `size` pixels, the same one every time.

    Raises:
        UsageError: `size` is not between `SMALLEST_SIZE` and `LARGEST_SIZE`.
    """
    return draw_with_map(scene, size)[0]


def thing_map(scene: Scene, size: int = 128) -> NDArray[np.uint8]:
    """Which thing is seen where: 0 is the backdrop, i + 1 the thing `scene.things[i]`; [size, size].

    Edges of paper belong to no thing; signs belong to the thing they hang on.
    """
    return draw_with_map(scene, size)[1]


def masks(scene: Scene, size: int = 128) -> NDArray[np.bool_]:
    """The visible part of each thing, [things, size, size]."""
    numbers = np.arange(1, len(scene.things) + 1, dtype=np.uint8)
    return np.equal(thing_map(scene, size)[None], numbers[:, None, None])  # [things, size, size]


def boxes(scene: Scene, size: int = 128) -> list[tuple[int, int, int, int]]:
    """The tight box (x0, y0, x1, y1) around what is seen of each thing; x1 and y1 lie just outside.

    A thing that is hidden altogether has the box (0, 0, 0, 0).
    """
    found = (Image.fromarray(mask).getbbox() for mask in masks(scene, size))
    return [box or (0, 0, 0, 0) for box in found]


def sign_boxes(scene: Scene, size: int = 128) -> list[tuple[float, float, float, float] | None]:
    """The board (x0, y0, x1, y1) of each thing's sign in pixels; None for things without one.

    Boards are not tilted with their things, but a nearer thing may cover a corner of one.
    """
    found: list[tuple[float, float, float, float] | None] = []
    for thing in scene.things:
        if thing.sign is None:
            found.append(None)
            continue
        frame = _frame(thing, size)
        x0, y0, x1, y1 = sign_board(thing.sign, frame.square)[1]
        left, top, fine = frame.left, frame.top, frame.fine
        found.append((left + x0 / fine, top + y0 / fine, left + x1 / fine, top + y1 / fine))
    return found


def draw_with_map(scene: Scene, size: int = 128) -> tuple[Image.Image, NDArray[np.uint8]]:
    """`draw` and `thing_map` in one pass."""
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise UsageError(f"size {size}; pictures are {SMALLEST_SIZE} to {LARGEST_SIZE} pixels wide")
    picture = backdrop(scene.place, scene.seed, size)
    # 0 to 6, so a byte is enough
    numbers = Image.new("L", (size, size))
    # stable: of things at one distance the later lies in front
    far_to_near = sorted(enumerate(scene.things, 1), key=lambda entry: -entry[1].distance)
    for number, thing in far_to_near:
        # by location, not by number: taking one thing away leaves the others as they were
        rng = Random(f"{scene.seed}/{thing.location}")
        sticker = _sticker(thing, rng, _frame(thing, size))
        paper = paste(picture, sticker, BORDER * size)
        # the paper hides what lies behind it and is nobody's
        numbers.paste(0, sticker.frame.shifted(0, 0), paper.point(_HARD))
        numbers.paste(number, sticker.frame.shifted(0, 0), sticker.silhouette.point(_HARD))
    return picture, np.array(numbers)


def _frame(thing: Thing, size: int) -> Frame:
    x0, y0, x1, _ = (value * size for value in thing.box)
    # the grown edge (1.5 borders), the shadow's shift (1.4) and its blur (1) reach out this far together
    margin = ceil(4 * BORDER * size) + 1
    left, top = floor(x0) - margin, floor(y0) - margin
    fine = 3 if size <= FAST_SIZE else 4
    square = (x0 - left) * fine, (y0 - top) * fine, (x1 - x0) * fine
    return Frame(left, top, ceil(x1 - x0) + 1 + 2 * margin, fine, square)


def _sticker(thing: Thing, rng: Random, frame: Frame) -> Sticker:
    indices = _placed(_indices(thing, rng, frame), thing, rng, frame)
    if thing.sign is not None:
        hang_sign(indices, thing.sign, frame.square)
    # made before the palette is put on; reduce averages, which makes soft edges of hard ones
    silhouette = indices.point(SILHOUETTE).reduce(frame.fine)
    indices.putpalette(thing_palette(thing.colour, thing.second_colour, rng.randrange(SHADE_LEVELS)))
    return Sticker(frame, indices.convert("RGB").reduce(frame.fine), silhouette)


def _indices(thing: Thing, rng: Random, frame: Frame) -> Image.Image:
    """The upright thing with its pattern, as palette indices."""
    side = round(frame.square[2])
    indices = Image.new("L", (side, side))
    # drawn even for plain things: whoever changes a pattern must not change the shape that comes after it
    phase = rng.randrange(PHASES)
    KIND_DRAWERS[thing.kind](Brush(indices, rng))
    if thing.pattern == "plain":
        return indices
    # 32 on top of an index; only BODY has another colour there
    return ImageChops.add(indices, pattern_tile(thing.pattern, phase, side))


def _placed(indices: Image.Image, thing: Thing, rng: Random, frame: Frame) -> Image.Image:
    """The thing in its frame, slightly stretched and tilted, perhaps mirrored."""
    # a few degrees: enough to vary a thing, too little to turn stripes into those of another direction
    tilt = radians(6 * (2 * rng.random() - 1))
    shrink = 1 - SIGN_ROOM * (thing.sign is not None)
    width, height = (shrink * (0.91 + 0.07 * rng.random()) for _ in range(2))
    mirror = rng.choice((-1, 1))
    left, top, side = frame.square
    x, y = left + side / 2, top + side / 2 * shrink  # centre in the frame
    # Rows of the inverse map, from pixels of the frame to pixels of the upright thing.
    a, b = mirror * cos(tilt) / width, mirror * sin(tilt) / width
    d, e = -sin(tilt) / height, cos(tilt) / height
    half = indices.width / 2
    matrix = (a, b, half - a * x - b * y, d, e, half - d * x - e * y)
    extent = frame.extent * frame.fine, frame.extent * frame.fine
    # nearest: indices are names of paints, and nothing lies between two names
    return indices.transform(extent, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)
