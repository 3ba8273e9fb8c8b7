from dataclasses import replace
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings

from canvas.examples import BOAT, CANVAS, HARBOUR, TOWER, canvases
from gesso.canvas.canvas import Canvas
from gesso.canvas.diff import CanvasDiff, FieldChange, RegionChange, diff
from gesso.canvas.parse import read_canvas
from gesso.storybook.compose import canvas_program, edit
from gesso.storybook.splits import scenes
from gesso.storybook.words import LANGUAGES

DOG = replace(BOAT, description="A dog asleep.", tags="dog", colour="black", detailed_descriptions=())


@given(canvas=canvases())
@settings(deadline=None)
def test_equal_canvases_have_no_difference(canvas: Canvas) -> None:
    found = diff(canvas, replace(canvas))
    assert found == CanvasDiff()
    assert not found
    assert str(found) == "no changes"


@given(old=canvases(), new=canvases())
@settings(deadline=None)
def test_a_difference_accounts_for_every_region(old: Canvas, new: Canvas) -> None:
    found = diff(old, new)
    assert bool(found) == (old != new)
    gone = [change.old for change in found.regions if change.kind == "removed"]
    come = [change.new for change in found.regions if change.kind == "added"]
    assert len(old.regions) - len(gone) == len(new.regions) - len(come)
    for change in found.regions:
        if change.old is not None and change.new is not None:
            values = {field.field: field.new for field in change.fields}
            assert replace(old.regions[change.old], **values) == new.regions[change.new] == change.region


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"location": "on the top"}, "moved", "> 'A boat.': location on the left -> on the top"),
        (
            {"offset": "slightly to the left"},
            "moved",
            "> 'A boat.': offset no offset -> slightly to the left",
        ),
        ({"colour": "navy"}, "changed", "~ 'A boat.': colour firebrick -> navy"),
        ({"distance_to_viewer": 2}, "changed", "~ 'A boat.': distance_to_viewer 4.5 -> 2"),
        ({"description": "A ship."}, "changed", "~ 'A ship.': description 'A boat.' -> 'A ship.'"),
        (
            {"location": "on the top", "colour": "navy"},
            "changed",
            "~ 'A boat.': location on the left -> on the top; colour firebrick -> navy",
        ),
    ],
)
def test_a_changed_region_is_known_again(change: dict[str, object], kind: str, said: str) -> None:
    (found,) = diff(CANVAS, replace(CANVAS, regions=(TOWER, replace(BOAT, **change)))).regions
    assert (found.kind, found.old, found.new) == (kind, 0, 1)
    assert str(found) == said


def test_another_thing_at_the_same_place_is_another_region() -> None:
    found = diff(CANVAS, replace(CANVAS, regions=(DOG, TOWER)))
    assert [(change.kind, change.old, change.new) for change in found.regions] == [
        ("added", None, 0),
        ("removed", 0, None),
    ]
    assert str(found) == "+ 'A dog asleep.': black, on the left, a small square area\n- 'A boat.'"


def test_of_two_alike_the_one_in_place_is_kept() -> None:
    other = replace(BOAT, location="on the right")
    moved = replace(other, offset="slightly to the upper")
    found = diff(Canvas(HARBOUR, (BOAT, other)), Canvas(HARBOUR, (moved, BOAT)))
    assert found.regions == (
        RegionChange(1, 0, moved, (FieldChange("offset", "no offset", "slightly to the upper"),)),
    )
    assert found.reordered


def test_one_of_several_equal_regions_can_go() -> None:
    found = diff(Canvas(HARBOUR, (BOAT, BOAT, BOAT)), Canvas(HARBOUR, (BOAT, BOAT)))
    assert [(change.kind, change.old) for change in found.regions] == [("removed", 2)]


def test_a_new_order_is_a_difference_of_its_own() -> None:
    found = diff(CANVAS, replace(CANVAS, regions=CANVAS.regions[::-1]))
    assert found == CanvasDiff(reordered=True)
    assert str(found) == "~ the order of the regions"


def test_the_background_has_fields_too() -> None:
    found = diff(CANVAS, replace(CANVAS, background=replace(HARBOUR, colour="navy", tags="night")))
    assert (
        str(found)
        == "~ background: tags 'harbour, dawn' -> 'night'\n~ background: colour lightsteelblue -> navy"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_edits_of_the_storybook_are_seen_for_what_they_are(language: str) -> None:
    kinds = {"add": ["added"], "remove": ["removed"], "move": ["moved"], "place": []}
    rng = Random(2)
    for scene in islice(scenes("train", 3), 40):
        changed = edit(scene, rng, language)
        old, new = (read_canvas(canvas_program(s, language)).canvas for s in (scene, changed.scene))
        found = diff(old, new)
        assert [change.kind for change in found.regions] == kinds.get(changed.kind, ["changed"])
        assert bool(found.background) == (changed.kind == "place")
