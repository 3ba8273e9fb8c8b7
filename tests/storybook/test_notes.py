from dataclasses import replace
from random import Random

import pytest

from gesso.canvas.grammar import NOTE
from gesso.storybook.compose import EDIT_KINDS, Edit, edit
from gesso.storybook.notes import edit_note, plan_note
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scene_at
from gesso.storybook.wish import Wish, wish

BALL = Thing("ball", "yellow", "plain", None, "small", "on the right", "no offset", 2.0)
FISH = Thing("fish", "red", "striped", "blue", "medium", "in the center", "no offset", 3.0)
SCENE = Scene(1, "sea", (FISH, BALL))


def noted(kind: str, *things: Thing, language: str = "en", place: str = "sea") -> str:
    return edit_note(SCENE, Edit(kind, "", replace(SCENE, things=things, place=place)), language)


def test_what_is_placed_from_another_thing_comes_after_it() -> None:
    told = Wish("a red fish left of a yellow ball", (FISH, BALL), {FISH: ("left", BALL)})
    assert told.plan_order == (BALL, FISH)
    assert plan_note(told) == (
        f"{NOTE}yellow ball on the right; red fish left of yellow ball: in the center\n"
    )
    assert plan_note(told, "zh") == f"{NOTE}黄色球 on the right; 红色鱼 left of 黄色球: in the center\n"


def test_an_edit_is_told_as_it_was_and_as_it_will_be() -> None:
    was = "the ball: on the right, a small yellow ball"
    assert noted("recolour", FISH, replace(BALL, colour="green")) == (
        f"{NOTE}{was}, now on the right, a small green ball\n"
    )
    assert noted("move", FISH, replace(BALL, location="on the top")) == (
        f"{NOTE}{was}, now on the top, a small yellow ball\n"
    )
    assert noted("remove", FISH) == f"{NOTE}{was}, gone\n"
    assert noted("add", FISH, BALL, replace(BALL, location="on the left")) == (
        f"{NOTE}new: on the left, a small yellow ball\n"
    )
    assert noted("place", FISH, BALL, place="night") == f"{NOTE}at night\n"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_notes_are_one_line_for_every_scene(language: str) -> None:
    kinds = set()
    for number in range(80):
        rng, scene = Random(number), scene_at("train", 5, number)
        change = edit(scene, rng, language)
        kinds.add(change.kind)
        note = edit_note(scene, change, language)
        plan = plan_note(wish(scene, rng, language), language)
        assert note.startswith(NOTE)
        assert note.count("\n") == plan.count("\n") == 1
        assert all(thing.location in plan for thing in scene.things)
        assert len(plan) < 600
    assert kinds == set(EDIT_KINDS)
