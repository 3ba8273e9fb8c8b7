from dataclasses import replace
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import read_canvas
from gesso.storybook.compose import Edit, canvas_program, edit
from gesso.storybook.match import EditMatch, PlanMatch, ThingMatch, _assign, match_edit, match_plan
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scene_at

SCENE = scene_at("train", 8, 1, counts=[3])


def canvas_of(scene: Scene, language: str = "en") -> Canvas:
    return read_canvas(canvas_program(scene, language)).canvas


def changed(canvas: Canvas, number: int, **fields: object) -> Canvas:
    """A canvas with one region changed."""
    regions = list(canvas.regions)
    regions[number] = replace(regions[number], **fields)
    return replace(canvas, regions=tuple(regions))


def edited(kind: str, language: str = "en") -> tuple[Scene, Edit]:
    """A scene and an edit of this kind."""
    for number in range(200):
        scene = scene_at("train", 9, number, counts=range(2, 6))
        change = edit(scene, Random(number), language)
        if change.kind == kind:
            return scene, change
    raise LookupError(kind)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("number", range(8))
def test_the_true_program_is_all_right(language: str, number: int) -> None:
    scene = scene_at("train", 8, number)
    match = match_plan(canvas_of(scene, language), scene)
    assert match.score == match.agreement == 1.0
    assert set(match.figures().values()) == {1.0}


def test_the_order_of_regions_does_not_matter() -> None:
    canvas = canvas_of(SCENE)
    for regions in permutations(canvas.regions):
        assert match_plan(replace(canvas, regions=regions), SCENE).agreement == 1.0


def test_a_wrong_place_costs_the_place_alone_and_offsets_do_not_matter() -> None:
    canvas = canvas_of(SCENE)
    free = next(name for name in ("on the top", "on the left", "on the right", "on the bottom")
                if name not in {thing.location for thing in SCENE.things})  # fmt: skip
    match = match_plan(changed(canvas, 1, location=free), SCENE)
    assert match.things[1] == ThingMatch(place=False, kind=True, colour=True, pattern=True, size=True)
    assert match.score == pytest.approx(2 / 3)
    assert match.figures()["place"] == pytest.approx(2 / 3)
    assert match_plan(changed(canvas, 1, offset="slightly to the upper"), SCENE).score == 1.0


def test_a_thing_keeps_its_region_when_two_change_places() -> None:
    canvas = canvas_of(SCENE)
    first, second = (region.location for region in canvas.regions[:2])
    match = match_plan(changed(changed(canvas, 0, location=second), 1, location=first), SCENE)
    assert [thing.place for thing in match.things] == [False, False, True]
    assert match.figures()["kind"] == 1.0


def test_missing_and_additional_things_lower_the_score() -> None:
    canvas = canvas_of(SCENE)
    fewer = match_plan(replace(canvas, regions=canvas.regions[:2]), SCENE)
    assert (fewer.score, fewer.extra) == (pytest.approx(2 / 3), 0)
    more = match_plan(replace(canvas, regions=(*canvas.regions, canvas.regions[0])), SCENE)
    assert (more.score, more.extra) == (pytest.approx(3 / 4), 1)
    assert more.figures()["no extras"] == 0.0
    none = match_plan(replace(canvas, regions=()), SCENE)
    assert none == PlanMatch((ThingMatch(),) * 3, 0, True)
    assert none.score == 0.0


def test_colour_needs_words_and_html_colour() -> None:
    canvas = canvas_of(SCENE)
    other = "pink" if SCENE.reading_order[0].colour != "pink" else "blue"
    assert not match_plan(changed(canvas, 0, colour=other), SCENE).things[0].colour


@given(
    weights=st.integers(1, 4).flatmap(
        lambda columns: st.lists(st.lists(st.integers(0, 5), min_size=columns, max_size=columns), max_size=5)
    )
)
def test_assignments_are_the_best_of_all(weights: list[list[int]]) -> None:
    columns = len(weights[0]) if weights else 2
    chosen = _assign(weights, columns)
    used = [row for row in chosen if row is not None]
    assert len(set(used)) == len(used)
    found = sum(weights[row][column] for column, row in enumerate(chosen) if row is not None)
    rows = [*range(len(weights)), *[None] * columns]
    best = max(
        sum(weights[row][column] for column, row in enumerate(order) if row is not None)
        for order in permutations(rows, columns)
    )
    assert found == best


EDITS = ("add", "move", "place", "recolour", "remove", "repattern", "resize")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", EDITS)
def test_the_true_edit_changes_what_was_asked_and_nothing_else(kind: str, language: str) -> None:
    scene, change = edited(kind, language)
    before, after = canvas_of(scene, language), canvas_of(change.scene, language)
    assert match_edit(after, before, after, kind) == EditMatch(True, 1.0)
    assert match_edit(before, before, after, kind) == EditMatch(False, 1.0)
    shuffled = replace(after, regions=after.regions[::-1])
    assert match_edit(shuffled, before, after, kind).exact


@pytest.mark.parametrize("kind", ["move", "recolour", "place"])
def test_what_was_not_asked_must_stay_to_the_letter(kind: str) -> None:
    scene, change = edited(kind)
    before, after = canvas_of(scene), canvas_of(change.scene)
    number = next(n for n, region in enumerate(after.regions) if region in before.regions)
    match = match_edit(changed(after, number, distance_to_viewer=77.0), before, after, kind)
    assert match.asked
    assert match.kept < 1
    assert not match.exact


def test_what_an_instruction_leaves_open_is_free() -> None:
    for kind, field, value in (
        ("add", "distance_to_viewer", 77.0),
        ("move", "offset", "slightly to the upper"),
    ):
        scene, change = edited(kind)
        before, after = canvas_of(scene), canvas_of(change.scene)
        number = next(n for n, region in enumerate(after.regions) if region not in before.regions)
        assert match_edit(changed(after, number, **{field: value}), before, after, kind).exact
    scene, change = edited("recolour")
    before, after = canvas_of(scene), canvas_of(change.scene)
    number = next(n for n, region in enumerate(after.regions) if region not in before.regions)
    assert not match_edit(changed(after, number, distance_to_viewer=77.0), before, after, "recolour").asked


def test_other_words_for_the_changed_thing_will_do() -> None:
    scene, change = edited("recolour")
    before, after = canvas_of(scene), canvas_of(change.scene)
    number = next(n for n, region in enumerate(after.regions) if region not in before.regions)
    words = f"behold: {after.regions[number].description}"
    assert match_edit(changed(after, number, description=words), before, after, "recolour").exact


def test_a_wrong_change_counts_once_and_a_region_too_many_is_not_kept() -> None:
    scene, change = edited("recolour")
    before, after = canvas_of(scene), canvas_of(change.scene)
    more = replace(after, regions=(*after.regions, replace(after.regions[0], description="a new cat")))
    match = match_edit(more, before, after, "recolour")
    assert match.asked
    assert 0 < match.kept < 1
    assert match_edit(before, before, after, "recolour").kept == 1.0
    assert EditMatch(True, 0.5).agreement == 0.75


def test_a_background_changes_only_when_asked() -> None:
    scene, change = edited("resize")
    before, after = canvas_of(scene), canvas_of(change.scene)
    other = replace(after, background=replace(after.background, tags="other"))
    assert match_edit(other, before, after, "resize").kept < 1
    scene, change = edited("place")
    before, after = canvas_of(scene), canvas_of(change.scene)
    said = replace(after.background, description=f"a picture {after.background.description}", colour="snow")
    assert match_edit(replace(after, background=said), before, after, "place").exact
