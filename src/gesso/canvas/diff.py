"""What changed between two canvases, so that an edit can be shown, judged and repainted where it matters."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.checks import shown
from gesso.canvas.parts import GlobalDescription, Region
from gesso.canvas.spelling import VOCABULARIES
from gesso.canvas.vocabulary import GRID

__all__ = ["CanvasDiff", "FieldChange", "RegionChange", "diff", "pair_regions"]

PLACE: Final = frozenset({"location", "offset"})
SAME: Final = 0.45
"""Likeness from which two regions count as one that was changed; other things at one place have about 0.4."""
MOST_LETTERS: Final = 400
_NAMES: Final = frozenset(name for names in VOCABULARIES.values() for name in names)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field with another value than before."""

    field: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.field} {_said(self.old)} -> {_said(self.new)}"


@dataclass(frozen=True, slots=True)
class RegionChange:
    """A region that came, went, or is not as it was.

    Attributes:
        old: its place in the first canvas's regions, from 0; None if it was added.
        new: its place in the second's; None if it was removed.
        region: the region as it is, or was.
        fields: what changed of a region that is in both.
    """

    old: int | None
    new: int | None
    region: Region
    fields: tuple[FieldChange, ...] = ()

    @property
    def kind(self) -> str:
        """One of "added", "removed", "moved" (nothing but the place changed) and "changed"."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "moved" if {change.field for change in self.fields} <= PLACE else "changed"

    def __str__(self) -> str:
        name = _said(self.region.description)
        match self.kind:
            case "added":
                subject = "" if self.region.subject is None else f", subject {self.region.subject}"
                where = f"{self.region.colour}, {self.region.location}, {self.region.area}"
                return f"+ {name}: {where}{subject}"
            case "removed":
                return f"- {name}"
            case kind:
                return f"{'>' if kind == 'moved' else '~'} {name}: {'; '.join(map(str, self.fields))}"


@dataclass(frozen=True, slots=True)
class CanvasDiff:
    """What turns one canvas into another.

    Attributes:
        background: changes of the whole picture's description.
        regions: changes of regions, in the order of the second canvas, those that were removed last.
        reordered: whether regions that are in both stand in another order.
    """

    background: tuple[FieldChange, ...] = ()
    regions: tuple[RegionChange, ...] = ()
    reordered: bool = False

    def __bool__(self) -> bool:
        return bool(self.background or self.regions or self.reordered)

    def __str__(self) -> str:
        """A line for each change: + added, - removed, > moved, ~ changed."""
        lines = [f"~ background: {change}" for change in self.background]
        lines += [str(change) for change in self.regions]
        lines += ["~ the order of the regions"] if self.reordered else []
        return "\n".join(lines) or "no changes"


def diff(old: Canvas, new: Canvas) -> CanvasDiff:
    """What changed from one canvas to another; empty, and so false, if they are equal.

    Regions are paired one to one: equal ones first, then the most alike in what is told of them, where they
    are and how they look.
    """
    pairs = pair_regions(old.regions, new.regions)
    changes = list(_changes(old.regions, new.regions, pairs))
    kept = [i for i in pairs if i is not None]
    return CanvasDiff(_fields(old.background, new.background), tuple(changes), kept != sorted(kept))


def _changes(
    old: Sequence[Region], new: Sequence[Region], pairs: Sequence[int | None]
) -> Iterator[RegionChange]:
    for j, i in enumerate(pairs):
        if i is None:
            yield RegionChange(None, j, new[j])
        elif changed := _fields(old[i], new[j]):
            yield RegionChange(i, j, new[j], changed)
    for i in sorted(set(range(len(old))) - set(pairs)):
        yield RegionChange(i, None, old[i])


def _fields(old: GlobalDescription | Region, new: GlobalDescription | Region) -> tuple[FieldChange, ...]:
    values = ((field.name, getattr(old, field.name), getattr(new, field.name)) for field in fields(old))
    return tuple(FieldChange(name, before, after) for name, before, after in values if before != after)


def pair_regions(old: Sequence[Region], new: Sequence[Region]) -> list[int | None]:
    """For each new region, the old one it was; None if it is none of them."""
    pairs: list[int | None] = [None] * len(new)
    places: dict[Region, deque[int]] = {}
    for i, region in enumerate(old):
        places.setdefault(region, deque()).append(i)
    for j, region in enumerate(new):
        if places.get(region):
            pairs[j] = places[region].popleft()
    left = set(range(len(old))) - set(pairs)
    for i, j in _likely(old, new, left, [j for j, i in enumerate(pairs) if i is None]):
        if i in left and pairs[j] is None:
            pairs[j] = i
            left.remove(i)
    return pairs


def _likely(
    old: Sequence[Region], new: Sequence[Region], left: Iterable[int], right: Iterable[int]
) -> list[tuple[int, int]]:
    """Pairs of regions that may be one, the most alike first."""
    before = {i: _letters(old[i]) for i in left}
    after = {j: _letters(new[j]) for j in right}
    scores = [
        (_likeness(old[i], new[j], _shared(before[i], after[j])), -i, -j) for i in before for j in after
    ]
    return [(-i, -j) for score, i, j in sorted(scores, reverse=True) if score >= SAME]


def _letters(region: Region) -> frozenset[str]:
    """Pairs of letters that follow one another: what a text is about, in any language."""
    text = f"{region.description}\n{region.tags}"[:MOST_LETTERS].lower()
    return frozenset(text[i : i + 2] for i in range(len(text) - 1))


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    """Dice's coefficient, 0..1."""
    return 2 * len(one & other) / max(1, len(one) + len(other))


def _likeness(old: Region, new: Region, text: float) -> float:
    """0..1: mostly what is told of the regions, then where they are, then how they look."""
    distance = max(abs(a - b) for a, b in zip(_centre(old), _centre(new), strict=True)) / GRID
    return 0.6 * text + 0.2 * (1 - distance) + 0.1 * (old.area == new.area) + 0.1 * (old.colour == new.colour)


def _centre(region: Region) -> tuple[float, float]:
    top, bottom, left, right = region.box
    return (top + bottom) / 2, (left + right) / 2


def _said(value: object) -> str:
    """A value for a reader: names as they are, texts in quotes, long ones cut; "none" where there is none."""
    if value is None:
        return "none"
    return value if isinstance(value, str) and value in _NAMES else shown(value)
