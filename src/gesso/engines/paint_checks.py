"""What a recipe may say: values that fit each other, and none that a machine could not bear.

Recipes come from files, which anybody may have written, so there is an upper bound to all that costs time or
memory.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final

from gesso.canvas.canvas import Box, Canvas
from gesso.canvas.vocabulary import GRID
from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.settings import PaintSettings
from gesso.media.images import MAX_PIXELS

__all__ = ["check_parts", "check_settings", "check_subjects", "require_subjects"]

MAX_STEPS: Final = 1000
"""Noise levels that the models were trained at; more steps than these would repeat some."""

MAX_BATCH: Final = 256
MOST_SEEDS: Final = 2**63

MAX_STRENGTH: Final = 10
"""Of a subject; from 1.2 on the reference's pixels show through."""


def check_settings(settings: PaintSettings, number: int) -> None:
    """Refuse settings that a recipe cannot hold or a machine not bear.

    Args:
        settings: of a batch.
        number: which picture of it.

    Raises:
        UnsupportedError: the guidance is an object.
        UsageError: a value is too large.
    """
    if not isinstance(settings.guidance, str):
        raise UnsupportedError("guidance is an object, which a recipe cannot hold; give its name, or "
                               "paint with gesso.diffusion.pipeline.Painter")  # fmt: skip
    _require("steps", settings.steps, settings.steps <= MAX_STEPS, f"1 to {MAX_STEPS}")
    _require("batch", settings.batch, settings.batch <= MAX_BATCH, f"1 to {MAX_BATCH}")
    scale = settings.guidance_scale
    _require("guidance_scale", scale, isfinite(scale), "a finite number, which JSON can hold")
    _require("number", number, 0 <= number < settings.batch, f"below the batch, {settings.batch}")
    sizes = [settings.size]
    if settings.hires is not None:
        sizes.append(settings.hires.size(settings.size))
        _require("hires steps", settings.hires.steps, settings.hires.steps <= MAX_STEPS, f"1 to {MAX_STEPS}")
    for size in sizes:
        _require("size", size, size[0] * size[1] <= MAX_PIXELS, f"of at most {MAX_PIXELS} pixels in all")


def check_parts(
    settings: PaintSettings, below: tuple[int, int] | None, boxes: Sequence[Box], feather: int
) -> None:
    """Refuse parts that cannot be painted anew.

    Args:
        settings: of the new part.
        below: size of the picture it is painted on; None for a whole picture.
        boxes: the parts, in cells.
        feather: width of the soft border inside them, in pixels.

    Raises:
        UsageError: says what does not fit.
    """
    if below is None:
        if boxes or feather:
            raise UsageError("boxes and feather came without a picture before; they are of parts of one")
        return
    if not boxes:
        raise UsageError("no box came; give at least one, such as Region.box, or change the canvas")
    if (settings.size, settings.batch, settings.hires) != (below, 1, None):
        raise UsageError(f"size {settings.size}, batch {settings.batch} and hires {settings.hires} came; "
                         f"parts are painted anew at the picture's size, {below}, one picture at a time and "
                         "without hires")  # fmt: skip
    for box in boxes:
        _require("box", box, _is_box(box), f"(top, bottom, left, right) in cells, within 0..{GRID}")
    # a wider border leaves nothing inside, and costs memory
    widest = min(below)
    _require("feather", feather, 0 <= feather <= widest, f"0 to {widest} pixels, the picture's shorter side")


def check_subjects(subjects: Sequence[tuple[int, float, int]], regions: int) -> None:
    """Refuse subjects that cannot be where a recipe has them.

    Args:
        subjects: of each, the number of its region (0 is the whole picture), how much it counts, and the
            seed of the noise under which its reference was looked at.
        regions: how many the canvas has.

    Raises:
        UsageError: says what does not fit.
    """
    if len(subjects) > 1 and any(not region for region, _, _ in subjects):
        raise UsageError(
            f"{len(subjects)} subjects came, one of them for the whole picture; give each its region"
        )
    for region, strength, seed in subjects:
        _require("region", region, 0 <= region <= regions, f"of a canvas with {regions}, counted from 1")
        _require("subject strength", strength, 0 <= strength <= MAX_STRENGTH, f"in 0..{MAX_STRENGTH}")
        _require("subject seed", seed, 0 <= seed < MOST_SEEDS, "0 to 2^63 - 1")


def require_subjects(canvas: Canvas, given: Sequence[int]) -> None:
    """Refuse to paint a canvas without a subject that it names.

    Args:
        canvas: what is painted.
        given: numbers of regions, counted from 1, whose subjects were looked at.

    Raises:
        UsageError: names the first that is missing.
    """
    for number, region in enumerate(canvas.regions, 1):
        if region.subject is not None and number not in given:
            raise UsageError(f"region {number} of the canvas has the subject {region.subject}, which was not "
                             "looked at; paint it with gesso paint or a Personalizer, or take the subject "
                             "away with gesso.canvas.edit.set_subject")  # fmt: skip


def _is_box(box: Box) -> bool:
    if len(box) != 4:
        return False
    top, bottom, left, right = box
    return 0 <= top < bottom <= GRID and 0 <= left < right <= GRID


def _require(name: str, value: object, holds: bool, allowed: str) -> None:
    if not holds:
        raise UsageError(f"{name} is {value}; it must be {allowed}")
