from random import Random

import pytest

from gesso.evaluate.canvas_match import canvas_in, score_edit, score_plan
from gesso.storybook.compose import canvas_program, edit
from gesso.storybook.splits import scene_at

SCENE = scene_at("test", 1, 0, counts=[2])


def test_a_reply_without_a_program_scores_nothing_but_is_counted() -> None:
    assert canvas_in("a cat") is None
    assert score_plan("a cat", SCENE) == (0.0, {"plan: parse": 0.0})
    change = edit(SCENE, Random(1))
    assert score_edit("a cat", SCENE, change, "en") == (0.0, {"edit: parse": 0.0})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_true_replies_score_all(language: str) -> None:
    plan = score_plan(f"Here it is:\n{canvas_program(SCENE, language)}\nEnjoy!", SCENE)
    assert plan.score == 1.0
    names = ("parse", "place", "kind", "colour", "pattern", "size", "background", "no extras")
    assert plan.figures == {f"plan: {name}": 1.0 for name in names}
    change = edit(SCENE, Random(1), language)
    done = score_edit(canvas_program(change.scene, language), SCENE, change, language)
    assert done == (1.0, {"edit: parse": 1.0, "edit: done": 1.0, "edit: kept": 1.0})


def test_an_edit_that_does_nothing_keeps_all_and_fails() -> None:
    change = edit(SCENE, Random(1))
    same = score_edit(canvas_program(SCENE), SCENE, change, "en")
    assert same == (0.0, {"edit: parse": 1.0, "edit: done": 0.0, "edit: kept": 1.0})
