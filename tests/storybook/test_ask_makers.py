import re
from collections import Counter
from itertools import islice
from random import Random

import pytest

from gesso.canvas.vocabulary import LOCATIONS
from gesso.storybook.ask import Question, questions
from gesso.storybook.scene import COLOURS, KINDS, SIZES, Scene, Thing
from gesso.storybook.splits import NOVEL_PAIRS, scenes
from gesso.storybook.words import LANGUAGES, words_of

EN = words_of("en")
SCENES = list(islice(scenes("train", 11), 500))
ASKED = [(scene, questions(scene, Random(scene.seed), 14)) for scene in SCENES]
WHERE = {word: name for name, word in EN.locations.items()}
COUNT = {word: number for number, word in enumerate(EN.numbers)}


def _asked(kind: str) -> list[tuple[Scene, Question]]:
    return [(scene, q) for scene, asked in ASKED for q in asked if q.kind == kind]


def _named(scene: Scene, name: str) -> Thing:
    """The one thing a phrase such as "the red cat" or "the cat at the top left" can mean."""
    words = name.split(" ")
    found = [
        thing
        for thing in scene.things
        if thing.kind in words
        and all(word == thing.colour for word in words if word in COLOURS)
        and not any(name.endswith(" " + w) and at != thing.location for w, at in WHERE.items())
    ]
    assert len(found) == 1, (name, scene)
    return found[0]


@pytest.mark.parametrize("kind", ["exists", "relation"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_yes_and_no_are_balanced(kind: str, language: str) -> None:
    rng = Random(0)
    answers = Counter(q.answer for scene in SCENES * 2 for q in questions(scene, rng, 2, language, [kind]))
    share = answers[words_of(language).yes_no[True]] / answers.total()
    assert 0.45 <= share <= 0.55


def test_attributes_are_those_of_the_thing_named() -> None:
    attributes = {"colour": "colour", "pattern": "pattern", "second_colour": "second_colour", "size": "size"}
    for kind, attribute in attributes.items():
        for scene, q in _asked(kind):
            name = re.sub(r"^.*? (is|does|of) |( have| small,.*| plain,.*)?\?$", "", q.question)
            name = re.sub(r"^Is ", "", name)
            assert q.answer == getattr(_named(scene, name), attribute), (q, scene)


def test_locations_and_kinds_at_locations() -> None:
    for scene, q in _asked("location"):
        thing = _named(scene, q.question.removesuffix("?").split(" is ")[-1])
        assert WHERE[q.answer] == thing.location
    for scene, q in _asked("kind_at"):
        location = next(at for word, at in WHERE.items() if q.question.endswith(f" {word}?"))
        kinds = [thing.kind for thing in scene.things if thing.location == location]
        assert q.answer.split()[-1] == (kinds[0] if kinds else "nothing")


def test_counts() -> None:
    for scene, q in _asked("count"):
        assert COUNT[q.answer] == len(scene.things)
    for kind, attribute in (("count_colour", "colour"), ("count_pattern", "pattern")):
        for scene, q in _asked(kind):
            number = sum(getattr(thing, attribute) in q.question for thing in scene.things)
            assert COUNT[q.answer] == number, (q, scene)


def test_existence() -> None:
    for scene, q in _asked("exists"):
        words = q.question.removesuffix("?").split()
        there = any(
            thing.kind in words
            and all(word == thing.colour for word in words if word in COLOURS)
            and not any(q.question.endswith(f" {w}?") and at != thing.location for w, at in WHERE.items())
            for thing in scene.things
        )
        assert q.answer == ("yes" if there else "no"), (q, scene)


@pytest.mark.parametrize("split", ["train", "novel"])
def test_absent_things_asked_for_are_never_held_out_pairs(split: str) -> None:
    for scene in islice(scenes(split, 5), 200):
        for q in questions(scene, Random(1), 8, kinds=["exists"]):
            words = q.question.removesuffix("?").split()
            pairs = {(kind, colour) for kind in KINDS for colour in COLOURS if {kind, colour} <= set(words)}
            assert q.answer == "yes" or not pairs & NOVEL_PAIRS


def test_comparisons() -> None:
    for scene, q in _asked("compare"):
        first, second = re.fullmatch(r"Which is \w+, (.+) or (.+)\?", q.question).groups()  # type: ignore[union-attr]
        wanted = min if "smaller" in q.question else max
        best = wanted((first, second), key=lambda name: SIZES[_named(scene, name).size])
        assert q.answer == best
        assert _named(scene, first).size != _named(scene, second).size


def test_relations_hold_between_different_columns_or_rows() -> None:
    for scene, q in _asked("relation"):
        pattern = (
            r"Is (the .+?) (?:to the )?(left of|right of|above|higher up than|below|lower down than) (.+)\?"
        )
        first, side, second = re.fullmatch(pattern, q.question).groups()  # type: ignore[union-attr]
        (x, y), (u, v) = (LOCATIONS[_named(scene, name).location] for name in (first, second))
        step = x - u if side in ("left of", "right of") else y - v
        assert step != 0
        positive = side in ("right of", "below", "lower down than")
        assert q.answer == ("yes" if (step > 0) == positive else "no")


def test_neighbours_are_the_only_things_on_their_side() -> None:
    checked = 0
    for scene, q in _asked("reasoning"):
        found = re.fullmatch(r"W.+ is (?:to the )?(left of|right of|above|below) (.+)\?", q.question)
        if not found:
            continue
        x, y = LOCATIONS[_named(scene, found[2]).location]
        there = [
            thing.kind
            for thing in scene.things
            for u, v in [LOCATIONS[thing.location]]
            if {"left of": u < x, "right of": u > x, "above": v < y, "below": v > y}[found[1]]
        ]
        assert [q.answer.split()[-1]] == there
        checked += 1
    assert checked > 30
