"""Captions and descriptions of scenes, and the parser that reads descriptions back.

`describe` says everything a picture shows but its signs; `parse_description` is its exact inverse on true
texts and takes whatever it understands from texts a model wrote, so that models are scored by facts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from gesso.storybook.scene import Scene
from gesso.storybook.words import Words, words_of

__all__ = [
    "Parsed",
    "ThingFacts",
    "caption",
    "describe",
    "opening",
    "parse_description",
    "scene_graph",
    "scene_graph_f1",
]


class ThingFacts(NamedTuple):
    """What a description says of one thing, in the names of `storybook.scene`."""

    location: str
    size: str
    colour: str
    pattern: str
    second_colour: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """The facts of a description: the place, None if unsaid, and the things in their order."""

    place: str | None
    things: tuple[ThingFacts, ...]

    def facts(self) -> frozenset[tuple[str, ...]]:
        """("place", place) and (location, attribute, value) for every attribute of every thing."""
        flat: set[tuple[str, ...]] = {("place", self.place)} if self.place else set()
        for thing in self.things:
            attributes = thing._asdict()
            location = attributes.pop("location")
            # tied to a location: the right colour on the wrong thing is a mistake
            flat |= {(location, name, value) for name, value in attributes.items() if value}
        return frozenset(flat)


def caption(scene: Scene, language: str = "en") -> str:
    """One compact line: the place, then colour, pattern and kind of every thing in reading order."""
    words = words_of(language)
    colon, comma = ("：", "，") if language == "zh" else (": ", ", ")
    things = comma.join(words.phrase(thing, size=False) for thing in scene.reading_order)
    return f"{words.places[scene.place]}{colon}{things}"


def describe(scene: Scene, language: str = "en", *, signs: bool = False) -> str:
    """All facts of a scene: place and count, then one sentence per thing in reading order.

    Args:
        scene: what to describe.
        language: "en" or "zh".
        signs: whether to say what the signs say; they are too small for most models to read.
    """
    words = words_of(language)
    sentences = [opening(words, scene.place, len(scene.things))]
    for thing in scene.reading_order:
        where, what = words.locations[thing.location], words.phrase(thing, sign=signs)
        sentences.append(f"{where}是{what}。" if language == "zh" else f"{where.capitalize()} is {what}.")
    return ("" if language == "zh" else " ").join(sentences)


def opening(words: Words, place: str, count: int) -> str:
    """The first sentence of a description: the place, and how many things there are."""
    if words.language == "zh":
        return f"{words.places[place]}有{words.numbers[count]}东西。"
    things = "is one thing" if count == 1 else f"are {words.numbers[count]} things"
    return f"{words.places[place].capitalize()} there {things}."


def scene_graph(scene: Scene) -> Parsed:
    """The facts a full description of the scene must give."""
    return Parsed(
        scene.place,
        tuple(
            ThingFacts(t.location, t.size, t.colour, t.pattern, t.second_colour, t.kind)
            for t in scene.reading_order
        ),
    )


def parse_description(text: str, language: str = "en") -> Parsed:
    """Read the facts back from a description; sentences it does not understand are skipped.

    The first place named counts, and things are kept in the order they are named.
    """
    grammar = _grammar(language)
    place: str | None = None
    things = []
    # no word of the world has a stop in it, and signs hold capitals and digits only
    for sentence in re.split(r"[.。\n]", text):
        # the whole sentence or nothing: half a fact may be half of another one
        if found := grammar.thing.fullmatch(sentence.strip().lower()):
            things.append(grammar.facts(found))
        # the beginning is enough; how many things there are follows from the sentences about them
        elif place is None and (found := grammar.place.match(sentence.strip().lower())):
            place = grammar.names[found["place"]]
    return Parsed(place, tuple(things))


def scene_graph_f1(predicted: Parsed, true: Parsed) -> float:
    """Harmonic mean of precision and recall over the sets of facts, 0-1."""
    said, shown = predicted.facts(), true.facts()
    # 2 P R / (P + R) with P = both / said and R = both / shown
    return 2 * len(said & shown) / (len(said) + len(shown)) if said or shown else 1.0


@dataclass(frozen=True, slots=True)
class _Grammar:
    """The sentences of one language as patterns, and the names its words stand for."""

    place: re.Pattern[str]
    thing: re.Pattern[str]
    names: dict[str, str]
    marks: dict[str, str]

    def facts(self, found: re.Match[str]) -> ThingFacts:
        """The facts of a sentence that matched `thing`."""
        names, second = self.names, found["second"]
        return ThingFacts(
            location=names[found["location"]],
            size=names[found["size"]],
            colour=names[found["colour"]],
            pattern=self.marks[found["mark"]] if second else "plain",
            second_colour=names[second] if second else None,
            kind=names[found["kind"]],
        )


@cache
def _grammar(language: str) -> _Grammar:
    words = words_of(language)
    # no word stands for two names, so one table can hold them all
    tables = (words.places, words.locations, words.sizes, words.colours, words.kinds)
    place, location, size, colour, kind = (_one_of(table.values()) for table in tables)
    mark = _one_of(words.marks.values())
    if language == "zh":
        a = _one_of(words.counters.values())
        thing = (
            rf"(?P<location>{location})是(?:{a})(?:有(?P<second>{colour})(?P<mark>{mark})的)?"
            rf"(?P<colour>{colour})(?P<size>{size})(?P<kind>{kind})(?:，牌子写着“.*”)?"
        )
    else:
        thing = (
            rf"(?P<location>{location}) is an? (?P<size>{size}) (?P<colour>{colour}) (?P<kind>{kind})"
            rf'(?: with (?P<second>{colour}) (?P<mark>{mark}))?(?: (?:with|and) a sign saying ".*")?'
        )
    return _Grammar(
        place=re.compile(rf"(?P<place>{place})(?:有| there)"),
        thing=re.compile(thing),
        names={word: name for table in tables for name, word in table.items()},
        marks={word: name for name, word in words.marks.items()},
    )


def _one_of(words: Iterable[str]) -> str:
    """A pattern for any of the words, longer ones first."""
    # an expression takes the first that fits: "at the top" must not win over "at the top left"
    return "|".join(sorted(map(re.escape, set(words)), key=len, reverse=True))
