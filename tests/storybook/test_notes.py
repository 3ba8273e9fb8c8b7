from dataclasses import replace
from random import Random

import pytest

from gesso.canvas.notes import NOTE, canvas_note
from gesso.canvas.parse import read_canvas
from gesso.storybook.compose import EDIT_KINDS, canvas_program, edit
from gesso.storybook.notes import edit_note, plan_note
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scene_at
from gesso.storybook.wish import Wish, wish

BALL = Thing("ball", "yellow", "plain", None, "small", "on the right", "no offset", 2.0)
FISH = Thing("fish", "red", "striped", "blue", "medium", "in the center", "no offset", 3.0)
SCENE = Scene(1, "sea", (FISH, BALL))


def noted(*things: Thing, language: str = "en", place: str = "sea") -> str:
    return edit_note((BALL, FISH), SCENE, replace(SCENE, things=things, place=place), language)


def test_where_a_thing_is_placed_from_another_both_places_are_told() -> None:
    told = Wish("a red fish left of a yellow ball", (FISH, BALL), {FISH: ("left", BALL)})
    assert plan_note(told) == (
        f"{NOTE}red fish left of yellow ball on the right: in the center; yellow ball on the right\n"
    )
    assert plan_note(told, "zh") == (
        f"{NOTE}red 鱼 left of yellow 球 on the right: in the center; yellow 球 on the right\n"
    )


def test_an_edit_is_told_in_its_place_among_what_stays() -> None:
    ball, fish = "yellow ball on the right", "red fish in the center"
    recoloured, moved = replace(BALL, colour="green"), replace(BALL, location="on the top")
    added = replace(BALL, location="on the left")
    head = f"{NOTE}the ball on the right; "
    assert noted(FISH, recoloured) == f"{head}{ball}, now on the right a small green ball; {fish}\n"
    assert noted(FISH, moved) == f"{head}{ball}, now on the top a small yellow ball; {fish}\n"
    assert noted(FISH) == f"{head}{ball}, gone; {fish}\n"
    assert noted(FISH, BALL, added) == f"{NOTE}{ball}; {fish}; new on the left a small yellow ball\n"
    assert noted(FISH, BALL, place="night") == f"{NOTE}{ball}; {fish}\n"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_notes_are_one_line_for_every_scene(language: str) -> None:
    kinds = set()
    for number in range(80):
        rng, scene = Random(number), scene_at("train", 5, number)
        change = edit(scene, rng, language)
        kinds.add(change.kind)
        note = edit_note(scene.things, scene, change.scene, language)
        plan = plan_note(wish(scene, rng, language), language)
        assert note.startswith(NOTE)
        assert note.count("\n") == plan.count("\n") == 1
        assert all(thing.location in plan and thing.location in note for thing in scene.things)
        assert len(note) < 600
        assert len(plan) < 600
    assert kinds == set(EDIT_KINDS)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_canvas_that_came_without_a_note_is_noted_as_its_scene_is(language: str) -> None:
    scene = scene_at("train", 5, 3)
    canvas = read_canvas(canvas_program(scene, language, scene.things)).canvas
    assert canvas_note(canvas) == plan_note(Wish("", scene.things, {}), language)
