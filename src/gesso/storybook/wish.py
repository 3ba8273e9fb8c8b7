"""How a user asks for a scene: in many wordings, with everything in it that a canvas of it is scored by.

A wish tells the place, and of each thing what it is, its colours and pattern, its sign, where it is, and how
big (nothing said about the size means medium). Where a thing is may be said from another one ("left of the
red cat"), but only where that leaves a single location. Offsets and distances are left to the planner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from gesso.canvas.vocabulary import LOCATIONS
from gesso.storybook.refer import reference
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.wish_words import RELATIONS, WISH_WORDS, WishWords
from gesso.storybook.words import Words, words_of

__all__ = ["Relation", "Wish", "relation_between", "wish", "wish_order"]

Relation = tuple[str, Thing]
"""A key of `RELATIONS`, and the thing from which another lies that way."""

RELATIVE: Final = 0.3
"""Share of things whose place is told from another one, where that is possible."""

READING: Final = 0.3
"""Share of wishes that tell the things in reading order."""

CASUAL: Final = 0.3
"""Share of wishes in English without a capital and a full stop."""

STEP: Final = 30  # cells between neighbouring locations
CENTRE: Final = (1, 1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for.

    Attributes:
        text: one line.
        things: in the order they are told.
        relations: thing -> how its place is told, where that is from another one alone.
    """

    text: str
    things: tuple[Thing, ...]
    relations: Mapping[Thing, Relation]


def wish_order(scene: Scene, rng: Random) -> tuple[Thing, ...]:
    """An order in which someone may tell the things of a scene."""
    if rng.random() < READING:
        return scene.reading_order
    return tuple(rng.sample(scene.things, len(scene.things)))


def wish(scene: Scene, rng: Random, language: str = "en", order: Sequence[Thing] | None = None) -> Wish:
    """Ask for a scene.

    Args:
        scene: what the picture is to show.
        rng: source of all choices.
        language: "en" or "zh".
        order: in which the things are told; None chooses one.
    """
    things = tuple(order or wish_order(scene, rng))
    return _Speaker(scene, things, rng, words_of(language), WISH_WORDS[language]).wish()


def relation_between(thing: Thing, other: Thing) -> tuple[str, bool] | None:
    """How a thing lies from a neighbouring one, by location.

    Returns:
        A key of `RELATIONS`, and whether it must be called direct because a thing two steps away would lie
        that way too; None where they are no neighbours, or where no words lead to this one location.
    """
    here, there = (_cell(each.location) for each in (thing, other))
    step = (here[0] - there[0], here[1] - there[1])
    name = next((name for name, way in RELATIONS.items() if way == step), None)
    if name is None:
        return None
    if 0 not in step:  # two ways at once lead to one location from the centre only
        return (name, False) if there == CENTRE else None
    beyond = here[0] + step[0], here[1] + step[1]
    return name, all(0 <= index <= 2 for index in beyond)


def _cell(location: str) -> tuple[int, int]:
    """(column, row) of a location, each 0 to 2."""
    x, y = LOCATIONS[location]
    return x // STEP, y // STEP


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Someone who asks for one scene, choosing among the wordings as they go."""

    scene: Scene
    things: tuple[Thing, ...]
    rng: Random
    words: Words
    said: WishWords

    def wish(self) -> Wish:
        """The whole wish."""
        anchors = self._anchors()
        told = [(self._what(thing), self._where(thing, anchors.get(thing))) for thing in self.things]
        form = self.rng.choice(self.said.forms)
        text = form.format(
            ask=self.rng.choice(self.said.asks),
            place=self.words.places[self.scene.place],
            background=self.words.backgrounds[self.scene.place],
            things=self._list(told) if "{things}" in form else "",
            sentences=self._sentences(told) if "{sentences}" in form else "",
        )
        relations = {
            thing: (found[0], anchor)
            for thing, anchor in anchors.items()
            if (found := relation_between(thing, anchor))
        }
        return Wish(text if self.words.language == "zh" else self._finished(text), self.things, relations)

    def _anchors(self) -> dict[Thing, Thing]:
        """Which things are placed from which others; those others are placed by themselves."""
        anchors: dict[Thing, Thing] = {}
        for thing in self.things:
            free = [
                other
                for other in self.things
                if other is not thing
                and other not in anchors
                and relation_between(thing, other)
                and self._name(other)
            ]
            if free and thing not in anchors.values() and self.rng.random() < RELATIVE:
                anchors[thing] = self.rng.choice(free)
        return anchors

    def _name(self, thing: Thing) -> str | None:
        """What to call a thing when another is placed by it."""
        return reference(self.scene, thing, self.words.language, location=False)

    def _where(self, thing: Thing, anchor: Thing | None) -> str:
        relation = relation_between(thing, anchor) if anchor is not None else None
        if anchor is None or relation is None:
            return self.rng.choice(self.said.locations[thing.location])
        name, ambiguous = relation
        ways = self.said.direct[name] if ambiguous else self.said.relations[name]
        return self.rng.choice(ways).format(other=self._spelt(str(self._name(anchor))))

    def _what(self, thing: Thing) -> str:
        """Everything about a thing but its place, beginning with "a" or a Chinese measure word."""
        zh = self.words.language == "zh"
        size = self.rng.choice(self.said.sizes[thing.size])
        plain = "" if thing.second_colour else self.rng.choice(self.said.plain)
        colour, kind = self.words.colours[thing.colour], self.words.kinds[thing.kind]
        if zh:
            of = self.rng.choice(("", "的")) if not size else ""
            body = f"{plain}{colour}{of}{size}{kind}"
        else:
            body = " ".join(filter(None, (size, plain, colour, kind)))
        if thing.second_colour:
            way = self.rng.choice(self.said.marked)
            adjective = self.words.patterns[thing.pattern]
            body = way.format(body=body, mark=self.words.mark(thing), adjective=adjective)
        body = f"{self.words.counters[thing.kind]}{body}" if zh else f"{_article(body)} {body}"
        if thing.sign:
            body = self.rng.choice(self.said.signs).format(body=body, sign=thing.sign)
        return self._spelt(body)

    def _list(self, told: list[tuple[str, str]]) -> str:
        items = [self.rng.choice(self.said.items).format(what=what, where=where) for what, where in told]
        joint, last = self.rng.choice(self.said.joints)
        return last.join(filter(None, (joint.join(items[:-1]), items[-1])))

    def _sentences(self, told: list[tuple[str, str]]) -> str:
        made = [self.rng.choice(self.said.sentences).format(what=what, where=where) for what, where in told]
        if self.words.language == "zh":
            return "".join(made)
        return " ".join(sentence[0].upper() + sentence[1:] for sentence in made)

    def _spelt(self, text: str) -> str:
        for word, ways in self.said.spellings.items():
            text = text.replace(word, self.rng.choice(ways))
        return text

    def _finished(self, text: str) -> str:
        """An English wish with a capital, or as people type."""
        if self.rng.random() < CASUAL:
            return text.removesuffix(".")
        return text[0].upper() + text[1:]


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeio" else "a"
