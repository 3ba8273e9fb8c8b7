"""How well a canvas fits what was asked for: the things of a scene, or one change to a canvas.

A region is in the right place if its location is the thing's. Its offset does not matter: wishes do not tell
it, and every offset leaves a region nearer to its own location (at most 10 cells away in x and y) than to the
next (30 cells).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from statistics import fmean
from typing import Final, Self

from gesso.canvas.canvas import Canvas
from gesso.canvas.parts import Region
from gesso.storybook.recognise import RegionFacts, place_of, region_facts
from gesso.storybook.scene import Scene, Thing

__all__ = ["EditMatch", "PlanMatch", "ThingMatch", "match_edit", "match_plan"]

UNTOLD: Final = {"add": ("distance_to_viewer", "offset"), "move": ("offset",)}
"""Kind of edit -> what its instruction leaves open about the thing that changes."""


@dataclass(frozen=True, slots=True)
class ThingMatch:
    """What is right about the region that stands for a thing; all False if none does."""

    place: bool = False
    kind: bool = False
    colour: bool = False
    pattern: bool = False
    size: bool = False

    @property
    def right(self) -> bool:
        """Whether place, kind and colour are right."""
        return self.place and self.kind and self.colour

    @property
    def weight(self) -> int:
        """How well region and thing fit: place, kind and colour before pattern and size."""
        return 3 * (self.place + self.kind + self.colour) + self.pattern + self.size

    @classmethod
    def of(cls, facts: RegionFacts, thing: Thing) -> Self:
        """Compare a region with a thing."""
        return cls(
            place=facts.location == thing.location,
            kind=facts.kind == thing.kind,
            colour=facts.is_coloured(thing.colour),
            pattern=(facts.pattern, facts.second_colour) == (thing.pattern, thing.second_colour),
            size=facts.size == thing.size,
        )


@dataclass(frozen=True, slots=True)
class PlanMatch:
    """A canvas compared with a scene.

    Attributes:
        things: one for each thing of the scene, in reading order.
        extra: regions that stand for none of them.
        background: whether the background shows the scene's place.
    """

    things: tuple[ThingMatch, ...]
    extra: int
    background: bool

    @property
    def score(self) -> float:
        """Share of things that are right; each region too many counts as a further thing that is wrong."""
        return self._share([thing.right for thing in self.things])

    @property
    def agreement(self) -> float:
        """A finer score: the share of all facts about things; the background counts as one thing more."""
        each = [fmean(getattr(t, field.name) for field in fields(t)) for t in self.things]
        return self._share([*each, float(self.background)])

    def figures(self) -> dict[str, float]:
        """Share of things whose place, kind, ... is right, and whether the background is."""
        shares = {f.name: fmean(getattr(t, f.name) for t in self.things) for f in fields(ThingMatch)}
        return {**shares, "background": float(self.background), "no extras": float(self.extra == 0)}

    def _share(self, values: Sequence[float]) -> float:
        return sum(values) / (len(values) + self.extra)


@dataclass(frozen=True, slots=True)
class EditMatch:
    """An edited canvas compared with the one before and with what was asked.

    Attributes:
        asked: whether the change that was asked for was made, and made right.
        kept: share of the other parts (things, background) that are as they were; each region too many counts
            as a further part that is not.
    """

    asked: bool
    kept: float

    @property
    def exact(self) -> bool:
        """Whether what was asked changed, and nothing else."""
        return self.asked and self.kept == 1

    @property
    def agreement(self) -> float:
        """A finer score, in which the change counts as much as all that is kept."""
        return (self.asked + self.kept) / 2


def match_plan(canvas: Canvas, scene: Scene) -> PlanMatch:
    """Compare a canvas with a scene; each region stands for one thing at most, so that most facts agree."""
    facts = [region_facts(region) for region in canvas.regions]
    things = scene.reading_order
    table = [[ThingMatch.of(seen, thing) for thing in things] for seen in facts]
    chosen = _assign([[match.weight for match in row] for row in table], len(things))
    matches = tuple(ThingMatch() if row is None else table[row][n] for n, row in enumerate(chosen))
    extra = len(facts) - sum(row is not None for row in chosen)
    return PlanMatch(matches, extra, place_of(canvas) == scene.place)


def match_edit(canvas: Canvas, before: Canvas, expected: Canvas, kind: str) -> EditMatch:
    """Compare an edited canvas with the one before and the one expected, whatever the order of regions.

    Regions that were not to change must be exactly as they were. The one that was to change is compared by
    its facts, so that other words for the same thing will do.

    Args:
        canvas: the answer.
        before: what the answer was to change.
        expected: what it should have become; shares the regions that stay with `before`.
        kind: one of `compose.EDIT_KINDS`.
    """
    staying = [region for region in before.regions if region in expected.regions]
    new = [region for region in expected.regions if region not in before.regions]
    old = [region for region in before.regions if region not in expected.regions]
    rest = list(canvas.regions)
    kept = [_take(rest, [region]) for region in staying]
    asked = place_of(canvas) == place_of(expected) if kind == "place" else True
    for region in new:
        asked &= _take(rest, [seen for seen in rest if _alike(seen, region, UNTOLD.get(kind, ()))])
    if old and not new:  # to be removed
        asked &= old[0] not in rest
    if kind != "place":
        kept.append(canvas.background == before.background)
    # a change made wrong leaves one region over, which is not counted a second time
    extra = max(0, len(rest) - (not asked))
    parts = len(kept) + extra
    return EditMatch(asked, sum(kept) / parts if parts else 1.0)


def _assign(weights: Sequence[Sequence[int]], columns: int) -> list[int | None]:
    """The row of each column in the assignment of greatest weight, each row and column used at most once.

    Exact, by dynamic programming over sets of columns, of which a scene has at most 2^6. Pairs without weight
    are left out. Of equal assignments the first rows win.
    """
    best: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {0: (0, ())}
    for row, values in enumerate(weights):
        for used, (total, pairs) in sorted(best.items()):
            for column, value in enumerate(values):
                grown = used | 1 << column
                if value and grown != used and total + value > best.get(grown, (0, ()))[0]:
                    best[grown] = (total + value, (*pairs, (column, row)))
    _, chosen = max(best.values(), key=lambda entry: entry[0])
    rows = dict(chosen)
    return [rows.get(column) for column in range(columns)]


def _take(regions: list[Region], wanted: Sequence[Region]) -> bool:
    """Take the first of the wanted regions out of a list; whether it was there."""
    for region in wanted:
        if region in regions:
            regions.remove(region)
            return True
    return False


def _alike(seen: Region, expected: Region, untold: Sequence[str]) -> bool:
    """Whether two regions show the same thing, at the same offset and distance where these were told."""
    one, other = region_facts(seen), region_facts(expected)
    told = [name for name in ("distance_to_viewer", "offset") if name not in untold]
    return (
        replace(one, colour=None) == replace(other, colour=None)
        and one.colour in (other.colour, None)
        and all(getattr(seen, name) == getattr(expected, name) for name in told)
    )
