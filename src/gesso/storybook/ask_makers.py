"""Makers of questions: one function per kind of question, from a scene to a question and its answer.

Every answer follows from the picture alone. Yes and no are equally likely for every kind of yes-no question,
absent things asked for resemble the present ones, and no negative question names a held-out (kind, colour)
pair, which would give its answer away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from gesso.canvas.vocabulary import LOCATIONS
from gesso.storybook.refer import references
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, SIZES, Scene, Thing
from gesso.storybook.splits import NOVEL_PAIRS
from gesso.storybook.words import Words

__all__ = ["MAKERS", "Asker", "Draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it is worded: its form, what fills the gaps, and the answer."""

    form: str
    answer: str
    gaps: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """What every maker of questions needs."""

    scene: Scene
    rng: Random
    words: Words

    def named(self, *, colour: bool = True, location: bool = True) -> list[tuple[Thing, str]]:
        """Things with unambiguous names in random order, as `refer.references` gives them."""
        return references(self.scene, self.rng, self.words.language, colour=colour, location=location)

    def coin(self) -> bool:
        """True or False, equally likely."""
        return self.rng.random() < 0.5

    def many(self, number: int) -> str:
        """A number as an answer."""
        return self.words.numbers[number]


Maker = Callable[[Asker], Draft | None]


def _place(asker: Asker) -> Draft:
    return Draft("place", asker.words.backgrounds[asker.scene.place])


def _count(asker: Asker) -> Draft:
    return Draft("count", asker.many(len(asker.scene.things)))


def _count_colour(asker: Asker) -> Draft:
    """A quarter of the time about an absent colour, else rather about a frequent one."""
    shown = [thing.colour for thing in asker.scene.things]
    # asked evenly, nearly every answer would be "one", which a model learns without looking
    twice = [colour for colour in shown if shown.count(colour) > 1]
    if asker.rng.random() < 0.25:
        pool: Sequence[str] = [colour for colour in COLOURS if colour not in shown]
    else:
        pool = twice or shown
    colour = asker.rng.choice(pool)
    return Draft("count_colour", asker.many(shown.count(colour)), (("word", asker.words.colours[colour]),))


def _count_pattern(asker: Asker) -> Draft:
    pattern = asker.rng.choice(PATTERNS)
    number = sum(thing.pattern == pattern for thing in asker.scene.things)
    return Draft("count_pattern", asker.many(number), (("word", asker.words.patterns[pattern]),))


def _kind_at(asker: Asker) -> Draft:
    """A fifth of the time about an empty location."""
    # a scene has six things at most and nine locations, so some are always empty
    things = {thing.location: thing for thing in asker.scene.things}
    empty = asker.rng.random() < 0.2
    location = asker.rng.choice([name for name in LOCATIONS if (name in things) != empty])
    answer = asker.words.nothing if empty else asker.words.a(things[location].kind)
    return Draft("kind_at", answer, (("location", asker.words.locations[location]),))


def _colour(asker: Asker) -> Draft:
    # its name must not give the colour away; a location tells any two things apart, so there is always a name
    thing, name = asker.named(colour=False)[0]
    return Draft("colour", asker.words.colours[thing.colour], (("thing", name),))


def _pattern(asker: Asker) -> Draft:
    thing, name = asker.named()[0]
    return Draft("pattern", asker.words.patterns[thing.pattern], (("thing", name),))


def _second_colour(asker: Asker) -> Draft | None:
    for thing, name in asker.named():
        if thing.second_colour:
            gaps = (("marks", asker.words.marks[thing.pattern]), ("thing", name))
            return Draft("second_colour", asker.words.colours[thing.second_colour], gaps)
    return None


def _location(asker: Asker) -> Draft | None:
    # none, if two things are alike in kind and colour: then only a location would tell them apart
    for thing, name in asker.named(location=False):
        return Draft("location", asker.words.locations[thing.location], (("thing", name),))
    return None


def _size(asker: Asker) -> Draft:
    thing, name = asker.named()[0]
    return Draft("size", asker.words.sizes[thing.size], (("thing", name),))


def _exists(asker: Asker) -> Draft:
    """By kind, by kind and colour, or by kind and location; yes and no equally often for each."""
    yes = asker.coin()
    # "yes" is tossed before the form is chosen, so that it is as likely within each of them
    form = asker.rng.choice((_exists_kind, _exists_colour, _exists_at))
    return form(asker, yes)


def _exists_kind(asker: Asker, yes: bool) -> Draft:
    shown = [thing.kind for thing in asker.scene.things]
    kind = asker.rng.choice(shown if yes else [kind for kind in KINDS if kind not in shown])
    return Draft("exists", asker.words.yes_no[yes], (("thing", asker.words.a(kind)),))


def _exists_colour(asker: Asker, yes: bool) -> Draft:
    """A no names a kind that is there in a colour it has not, if possible one of another thing."""
    pairs = [(thing.kind, thing.colour) for thing in asker.scene.things]
    kind, colour = asker.rng.choice(pairs)
    if not yes:
        # held-out pairs are never there in training: asked about, they would teach that "no" is their answer
        known = {*pairs, *NOVEL_PAIRS}
        # "is there a red cat" beside a blue cat and a red dog: kind and colour must be bound together
        near = [c for _, c in pairs if (kind, c) not in known]
        far = [c for c in COLOURS if (kind, c) not in known]
        colour = asker.rng.choice(near if near and asker.coin() else far)
    return Draft("exists", asker.words.yes_no[yes], (("thing", asker.words.a(kind, colour)),))


def _exists_at(asker: Asker, yes: bool) -> Draft:
    """A no names a kind that is there, at the location of another thing if possible."""
    things = asker.scene.things
    thing = asker.rng.choice(things)
    location = thing.location
    if not yes:
        taken = {other.location for other in things if other.kind == thing.kind}
        near = [other.location for other in things if other.location not in taken]
        location = asker.rng.choice(near or [name for name in LOCATIONS if name not in taken])
    gaps = (("thing", asker.words.a(thing.kind)), ("location", asker.words.locations[location]))
    return Draft("exists_at", asker.words.yes_no[yes], gaps)


def _compare(asker: Asker) -> Draft | None:
    named = asker.named(location=False)
    for thing, name in named:
        for other, other_name in named:
            if SIZES[thing.size] != SIZES[other.size]:
                form = asker.rng.choice(("bigger", "smaller"))
                # answered by name, so that "bigger" and "smaller" are no yes-no questions in disguise
                first = (SIZES[thing.size] > SIZES[other.size]) == (form == "bigger")
                gaps = (("thing", name), ("other", other_name))
                return Draft(form, name if first else other_name, gaps)
    return None


# Side -> (axis of the grid, sign of the step that leads there).
_SIDES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}
)


def _lies(thing: Thing, side: str, other: Thing) -> bool:
    """Whether a thing lies on a side of another, by columns or rows of the nine locations."""
    # rows count downwards: above is the smaller number
    axis, sign = _SIDES[side]
    return (LOCATIONS[thing.location][axis] - LOCATIONS[other.location][axis]) * sign > 0


def _relation(asker: Asker) -> Draft | None:
    """Only between things in different columns (left, right) or rows (above, below)."""
    named, yes = asker.named(location=False), asker.coin()
    # sorted first: the draw must not depend on the order in which a mapping was written
    sides = asker.rng.sample(sorted(_SIDES), len(_SIDES))
    for thing, name in named:
        for other, other_name in named:
            for side in sides:
                # a no is the opposite side, never "neither", which would be a matter of taste
                if _lies(thing, side, other) if yes else _lies(other, side, thing):
                    gaps = (("thing", name), ("other", other_name))
                    return Draft(side, asker.words.yes_no[yes], gaps)
    return None


def _reasoning(asker: Asker) -> Draft | None:
    for maker in asker.rng.sample(_REASONING, len(_REASONING)):
        if draft := maker(asker):
            return draft
    return None


def _neighbour(asker: Asker) -> Draft | None:
    """What lies on a side, only if in all rows and columns exactly one thing does."""
    sides = asker.rng.sample(sorted(_SIDES), len(_SIDES))
    for thing, name in asker.named(location=False):
        for side in sides:
            there = [other for other in asker.scene.things if _lies(other, side, thing)]
            if len(there) == 1:
                return Draft(f"what_{side}", asker.words.a(there[0].kind), (("thing", name),))
    return None


def _same(asker: Asker) -> Draft | None:
    """Which other thing shares an attribute, only if exactly one does."""
    attribute = asker.rng.choice(("colour", "pattern", "size"))
    for thing, name in asker.named(colour=attribute != "colour"):
        alike = _others_alike(asker.scene, thing, attribute)
        if len(alike) == 1:
            return Draft(f"same_{attribute}", asker.words.a(alike[0].kind), (("thing", name),))
    return None


def _count_same(asker: Asker) -> Draft:
    """Rather about a thing that shares the attribute, as few things do."""
    attribute = asker.rng.choice(("colour", "pattern", "size"))
    counted = [
        (len(_others_alike(asker.scene, thing, attribute)), name)
        for thing, name in asker.named(colour=attribute != "colour")
    ]
    # of equals the name that is last in the alphabet: any of them would do
    number, name = max(counted) if asker.rng.random() < 0.7 else counted[0]
    return Draft(f"count_same_{attribute}", asker.many(number), (("thing", name),))


def _others_alike(scene: Scene, thing: Thing, attribute: str) -> list[Thing]:
    value = getattr(thing, attribute)
    return [other for other in scene.things if other is not thing and getattr(other, attribute) == value]


def _more(asker: Asker) -> Draft | None:
    """Are there more of one pattern than of another; never when there are equally many."""
    numbers = {pattern: sum(thing.pattern == pattern for thing in asker.scene.things) for pattern in PATTERNS}
    few, many = sorted(asker.rng.sample(PATTERNS, 2), key=numbers.__getitem__)
    if numbers[few] == numbers[many]:
        return None
    yes, words = asker.coin(), asker.words.patterns
    first, second = (many, few) if yes else (few, many)
    gaps = (("word", words[first]), ("second", words[second]))
    return Draft("more", asker.words.yes_no[yes], gaps)


_REASONING: Final[tuple[Maker, ...]] = (_neighbour, _same, _count_same, _more)

MAKERS: Final[Mapping[str, Maker]] = MappingProxyType(
    {
        "colour": _colour,
        "compare": _compare,
        "count": _count,
        "count_colour": _count_colour,
        "count_pattern": _count_pattern,
        "exists": _exists,
        "kind_at": _kind_at,
        "location": _location,
        "pattern": _pattern,
        "place": _place,
        "reasoning": _reasoning,
        "relation": _relation,
        "second_colour": _second_colour,
        "size": _size,
    }
)
"""Kind of question -> its maker, which gives None where the scene allows no such question."""
