from dataclasses import replace

import pytest

from canvas.examples import BOAT, CANVAS, HARBOUR, TOWER, refusal
from gesso.canvas import edit
from gesso.canvas.canvas import Canvas
from gesso.canvas.diff import diff
from gesso.canvas.limits import MAX_REGIONS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (edit.move(CANVAS, 0, "on the top"), "> 'A boat.': location on the left -> on the top"),
        (edit.move(CANVAS, 1, "on the right"), "> 'A tower.': offset slightly to the upper -> no offset"),
        (
            edit.resize(CANVAS, 0, "a large square area"),
            "~ 'A boat.': area a small square area -> a large square area",
        ),
        (edit.set_distance(CANVAS, 1, 2), "~ 'A tower.': distance_to_viewer 9 -> 2"),
        (edit.recolour(CANVAS, 1, "navy"), "~ 'A tower.': colour white -> navy"),
        (edit.recolour(CANVAS, None, "navy"), "~ background: colour lightsteelblue -> navy"),
        (edit.redescribe(CANVAS, 0, style="Ink."), "~ 'A boat.': style 'Oil.' -> 'Ink.'"),
        (edit.redescribe(CANVAS, None, tags="night"), "~ background: tags 'harbour, dawn' -> 'night'"),
        (edit.delete(CANVAS, 0), "- 'A boat.'"),
        (edit.add(CANVAS, BOAT), "+ 'A boat.': firebrick, on the left, a small square area"),
        (edit.reorder(CANVAS, [1, 0]), "~ the order of the regions"),
    ],
)
def test_an_edit_changes_what_it_says(changed: Canvas, said: str) -> None:
    assert str(diff(CANVAS, changed)) == said


def test_regions_are_added_where_asked() -> None:
    dog = replace(BOAT, description="A dog.")
    assert edit.add(CANVAS, dog, 0).regions == (dog, BOAT, TOWER)
    assert edit.add(CANVAS, dog, 2).regions == edit.add(CANVAS, dog).regions == (BOAT, TOWER, dog)


def test_details_may_be_a_list() -> None:
    assert edit.redescribe(CANVAS, 0, detailed_descriptions=["a", "b"]).regions[0].detailed_descriptions == (
        "a",
        "b",
    )


def test_prompts_follow_a_redescribed_background() -> None:
    changed = edit.redescribe(CANVAS, None, description="A city.")
    assert changed.conditions[1].prefixes == ("A city.", "A tower.")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: edit.move(CANVAS, 2, "on the top"), "no region 2; give a number from 0 to 1"),
        (lambda: edit.move(CANVAS, -1, "on the top"), "no region -1; give a number from 0 to 1"),
        (lambda: edit.delete(CANVAS, True), "no region True"),
        (lambda: edit.delete(Canvas(HARBOUR), 0), "no region 0; it has none"),
        (lambda: edit.add(CANVAS, BOAT, 3), "no region 3"),
        (
            lambda: edit.add(Canvas(HARBOUR, (BOAT,) * MAX_REGIONS), BOAT),
            "as many as it may; delete one first",
        ),
        (lambda: edit.move(CANVAS, 0, "on the lef"), "did you mean on the left"),
        (lambda: edit.resize(CANVAS, 0, "big"), "area is 'big'; use one of"),
        (lambda: edit.recolour(CANVAS, None, "blu"), "did you mean blue"),
        (lambda: edit.set_distance(CANVAS, 0, -1), "write a number above 0"),
        (lambda: edit.redescribe(CANVAS, 0), "no text to change; give one or more of: description"),
        (lambda: edit.redescribe(CANVAS, None, style="x"), "no text 'style' to change here"),
        (lambda: edit.redescribe(CANVAS, 0, colour="red"), "no text 'colour' to change here"),
        (lambda: edit.redescribe(CANVAS, 0, tags=5), "tags is 5, an int; write one string"),
        (
            lambda: edit.reorder(CANVAS, [0]),
            "does not name each of the 2 regions once; give the numbers from 0 to 1",
        ),
    ],
)
def test_what_cannot_be_done_is_explained(call, said: str) -> None:
    assert said in str(refusal(call))
