"""Wishes as people type them who do not care about everything: a planner has to choose the rest.

    a striped red fish left of a yellow ball at night

Sizes, places and second colours may be missing; two things may be told in one breath. What is said holds for
the scene.
"""

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Final

from gesso.canvas.vocabulary import LOCATIONS
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.wish import Relation, Wish
from gesso.storybook.words import Words, words_of

__all__ = ["loose_wish"]

PLACED, SIZED, MARKED, PAIRED, SETTING = 0.4, 0.3, 0.4, 0.7, 0.8
"""Shares of what is told: locations, sizes, whole patterns, the way from one thing to the next, the place."""

WAYS: Final = {
    "en": {"left": "left of", "right": "right of", "above": "above", "below": "below"},
    "zh": {"left": "左边", "right": "右边", "above": "上面", "below": "下面"},
}
OPENINGS: Final = {
    "en": ("", "", "", "a picture of ", "paint ", "draw ", "please paint ", "I want ", "show me "),
    "zh": ("", "", "", "画", "请画", "我想要"),
}


def loose_wish(scene: Scene, rng: Random, language: str = "en", order: Sequence[Thing] | None = None) -> Wish:
    """Ask for a scene without telling all of it.

    Args:
        scene: what the picture is to show.
        rng: source of all choices.
        language: "en" or "zh".
        order: in which the things are told; None chooses one.
    """
    words = words_of(language)
    things = tuple(order or rng.sample(scene.things, len(scene.things)))
    relations = _relations(things, rng) if len(things) == 2 and rng.random() < PAIRED else {}
    if relations:
        told = _pair(things, relations[things[0]][0], rng, words)
    else:
        told = _listed([_what(t, rng, words) + _where(t, rng, words) for t in things], rng, words)
    place = words.places[scene.place] if rng.random() < SETTING else ""
    opening = rng.choice(OPENINGS[language])
    if language == "zh":
        text = f"{opening}{place}{'，' if place else ''}{told}"
    else:
        text = f"{opening}{told}{' ' if place else ''}{place}"
    return Wish(text, things, relations)


def _relations(things: Sequence[Thing], rng: Random) -> dict[Thing, Relation]:
    """The first of two things told from the second; empty where no word for a way leads there."""
    ways = _ways(*things)
    return {things[0]: (rng.choice(ways), things[1])} if ways else {}


def _pair(things: Sequence[Thing], relation: str, rng: Random, words: Words) -> str:
    """Two things, the first told from the second."""
    one, other = (_what(thing, rng, words) for thing in things)
    way = WAYS[words.language][relation]
    return f"{other}的{way}有{one}" if words.language == "zh" else f"{one} {way} {other}"


def _ways(thing: Thing, other: Thing) -> list[str]:
    """In which directions a thing lies from another, by location: the longer way alone, both if even."""
    (x, y), (a, b) = LOCATIONS[thing.location], LOCATIONS[other.location]
    across, down = x - a, y - b
    found = []
    if abs(across) >= abs(down) and across:
        found.append("left" if across < 0 else "right")
    if abs(down) >= abs(across) and down:
        found.append("above" if down < 0 else "below")
    return found


def _what(thing: Thing, rng: Random, words: Words) -> str:
    """A thing, beginning with "a" or a Chinese measure word."""
    size = words.sizes[thing.size] if rng.random() < SIZED else ""
    colour, kind = words.colours[thing.colour], words.kinds[thing.kind]
    pattern, mark = "", ""
    if thing.second_colour:
        if rng.random() < MARKED:
            mark = words.mark(thing)
        else:
            pattern = words.patterns[thing.pattern]
    if words.language == "zh":
        marked = f"有{mark}的" if mark else ""
        return f"{words.counters[thing.kind]}{marked}{pattern}{colour}{size}{kind}"
    adjectives = [size, pattern, colour] if rng.random() < 0.5 else [pattern, size, colour]
    body = " ".join(filter(None, (*adjectives, kind)))
    article = "an" if body[0] in "aeio" else "a"
    sign = f' with a sign saying "{thing.sign}"' if thing.sign else ""
    return f"{article} {body}{f' with {mark}' if mark else ''}{sign}"


def _where(thing: Thing, rng: Random, words: Words) -> str:
    if rng.random() >= PLACED:
        return ""
    where = words.locations[thing.location]
    return f"在{where}" if words.language == "zh" else f" {where}"


def _listed(items: list[str], rng: Random, words: Words) -> str:
    if words.language == "zh":
        return rng.choice(("、", "，")).join(items)
    joint = rng.choice((", ", " and "))
    lasts = [joint] * max(len(items) - 2, 0) + [" and "]
    return items[0] + "".join(last + new for (_, new), last in zip(pairwise(items), lasts, strict=False))
