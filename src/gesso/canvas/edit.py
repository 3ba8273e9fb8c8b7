"""Changes by hand: each gives a new canvas, checked like any other.

A region is named by its place in `Canvas.regions`, counted from 0. `None` stands for the background where a
change applies to it too. Names must be spelt right; a refusal lists the near ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gesso.canvas.canvas import Canvas
from gesso.canvas.limits import MAX_REGIONS
from gesso.canvas.parts import Region
from gesso.core.errors import CanvasError

__all__ = [
    "add",
    "delete",
    "move",
    "recolour",
    "redescribe",
    "reorder",
    "resize",
    "set_distance",
    "set_subject",
]


def add(canvas: Canvas, region: Region, at: int | None = None) -> Canvas:
    """Put a region before the one at a place; at the end if no place is given."""
    if len(canvas.regions) >= MAX_REGIONS:
        raise CanvasError(f"the canvas has {MAX_REGIONS} regions, as many as it may; delete one first")
    place = len(canvas.regions) if at is None or at == len(canvas.regions) else _place(canvas, at)
    return replace(canvas, regions=(*canvas.regions[:place], region, *canvas.regions[place:]))


def delete(canvas: Canvas, index: int) -> Canvas:
    """Take a region away."""
    place = _place(canvas, index)
    return replace(canvas, regions=canvas.regions[:place] + canvas.regions[place + 1 :])


def move(canvas: Canvas, index: int, location: str, offset: str = "no offset") -> Canvas:
    """Put a region somewhere else.

    Args:
        canvas: what to change.
        index: of the region.
        location: a key of `LOCATIONS`.
        offset: a key of `OFFSETS`.
    """
    return _changed(canvas, index, location=location, offset=offset)


def resize(canvas: Canvas, index: int, area: str) -> Canvas:
    """Give a region another size and form, a key of `AREAS`."""
    return _changed(canvas, index, area=area)


def set_distance(canvas: Canvas, index: int, distance_to_viewer: float) -> Canvas:
    """Put a region farther away or nearer; what is nearer covers what is behind it."""
    return _changed(canvas, index, distance_to_viewer=distance_to_viewer)


def set_subject(canvas: Canvas, index: int, subject: str | None) -> Canvas:
    """Say who is to stand in a region, as `gesso.canvas.subjects` has it; None takes the subject away."""
    return _changed(canvas, index, subject=subject)


def recolour(canvas: Canvas, index: int | None, colour: str) -> Canvas:
    """Give a region or the background another colour, a key of `COLOURS`."""
    return _changed(canvas, index, colour=colour)


def redescribe(canvas: Canvas, index: int | None, **texts: Any) -> Canvas:
    """Write other texts for a region or the background.

    Args:
        canvas: what to change.
        index: of the region, or None.
        texts: new values of `description`, `detailed_descriptions` (a tuple or list), `tags`, and of a
            region's `atmosphere`, `style` and `quality_meta`; the others stay as they are.
    """
    known = ["description", "detailed_descriptions", "tags"]
    if index is not None:
        known += ["atmosphere", "style", "quality_meta"]
    unknown = [name for name in texts if name not in known]
    if unknown or not texts:
        came = f"no text {unknown[0]!r} to change here" if unknown else "no text to change"
        raise CanvasError(f"{came}; give one or more of: {', '.join(known)}")
    details = texts.get("detailed_descriptions")
    if isinstance(details, list):
        texts["detailed_descriptions"] = tuple(details)
    return _changed(canvas, index, **texts)


def reorder(canvas: Canvas, order: Sequence[int]) -> Canvas:
    """Put the regions into another order; it decides between regions of equal distance.

    Args:
        canvas: what to change.
        order: the present place of each region, in the new order.
    """
    if sorted(order) != list(range(len(canvas.regions))):
        raise CanvasError(
            f"the order {list(order)} does not name each of the {len(canvas.regions)} regions once; "
            f"give the numbers from 0 to {len(canvas.regions) - 1}"
        )
    return replace(canvas, regions=tuple(canvas.regions[index] for index in order))


def _changed(canvas: Canvas, index: int | None, **values: Any) -> Canvas:
    if index is None:
        return replace(canvas, background=replace(canvas.background, **values))
    place = _place(canvas, index)
    changed = replace(canvas.regions[place], **values)
    return replace(canvas, regions=(*canvas.regions[:place], changed, *canvas.regions[place + 1 :]))


def _place(canvas: Canvas, index: int) -> int:
    count = len(canvas.regions)
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
        allowed = f"give a number from 0 to {count - 1}" if count else "it has none"
        raise CanvasError(f"the canvas has no region {index!r}; {allowed}")
    return index
