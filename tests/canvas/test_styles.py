from dataclasses import replace

import pytest
from hypothesis import given

from canvas.examples import BOAT, CANVAS, HARBOUR, canvases
from gesso.canvas.canvas import Canvas
from gesso.canvas.styles import STYLES, style_named
from gesso.core.errors import UnknownNameError

TAGS = STYLES["tags"]


def told(canvas: Canvas, style: str = "tags") -> list[str]:
    return ["".join(condition.prefixes) for condition in STYLES[style].conditions(canvas)]


def test_sentences_are_the_canvas_s_own_prompts() -> None:
    assert STYLES["sentences"].conditions(CANVAS) == CANVAS.conditions


def test_tags_tell_the_background_before_each_region() -> None:
    # farthest first: the tower stands behind the boat
    assert told(CANVAS) == ["harbour, dawn, ", "harbour, dawn, tower, ", "harbour, dawn, boat, red, "]


def test_details_follow_without_full_stops() -> None:
    assert [condition.suffixes for condition in TAGS.conditions(CANVAS)] == [
        ("Still water, ",),
        (),
        ("Red hull, ", "A net, "),
    ]


@pytest.mark.parametrize(
    ("style", "front"),
    [("pony", "score_9, score_8_up, score_7_up, "), ("anime", "masterpiece, best quality, ")],
)
def test_tags_of_quality_come_before_every_prompt(style: str, front: str) -> None:
    assert all(text.startswith(front) for text in told(CANVAS, style))


def test_a_part_without_tags_is_told_by_its_description() -> None:
    bare = Canvas(replace(HARBOUR, tags=" ,. "), (replace(BOAT, tags=""),))
    assert told(bare) == ["A harbour, ", "A harbour, A boat, "]


@pytest.mark.parametrize(
    ("setting", "text"), [((), "boat, red, "), (("A wood.",), "A wood, boat, red, "), (("",), "boat, red, ")]
)
def test_a_region_added_under_another_background_is_told_with_that(
    setting: tuple[str, ...], text: str
) -> None:
    assert told(Canvas(HARBOUR, (replace(BOAT, setting=setting),)))[1] == text


@pytest.mark.parametrize("name", sorted(STYLES))
@given(canvas=canvases())
def test_every_style_keeps_places_and_order(name: str, canvas: Canvas) -> None:
    conditions = STYLES[name].conditions(canvas)
    assert [(c.box, c.region) for c in conditions] == [(c.box, c.region) for c in canvas.conditions]


def test_a_style_keeps_away_from_what_its_models_were_taught_to() -> None:
    assert STYLES["pony"].negative == "score_6, score_5, score_4"
    assert "worst quality" in str(STYLES["anime"].negative)
    assert STYLES["sentences"].negative is STYLES["tags"].negative is None


def test_an_unknown_style_lists_the_near_ones() -> None:
    assert style_named("pony") is STYLES["pony"]
    with pytest.raises(UnknownNameError, match="unknown prompt style 'poni'; did you mean pony"):
        style_named("poni")
