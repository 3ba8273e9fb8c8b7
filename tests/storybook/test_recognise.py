from dataclasses import replace

import pytest

from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import read_canvas
from gesso.canvas.parts import GlobalDescription, Region
from gesso.storybook.compose import canvas_program
from gesso.storybook.recognise import RegionFacts, place_of, region_facts
from gesso.storybook.scene import PLACES, Scene
from gesso.storybook.splits import scene_at
from gesso.storybook.words import words_of

REGION = Region(
    location="on the left",
    offset="no offset",
    area="a large vertical area",
    distance_to_viewer=2.0,
    description="a cat",
    detailed_descriptions=(),
    tags="cat",
    atmosphere="",
    style="",
    quality_meta="",
    colour="crimson",
)


def facts(description: str, *details: str) -> RegionFacts:
    return region_facts(replace(REGION, description=description, detailed_descriptions=details))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("number", range(12))
def test_all_facts_of_a_scene_are_read_back_from_its_program(language: str, number: int) -> None:
    scene = scene_at("train", 4, number)
    canvas = read_canvas(canvas_program(scene, language)).canvas
    expected = [
        RegionFacts(t.location, t.size, t.kind, t.colour, t.colour, t.pattern, t.second_colour, t.sign)
        for t in scene.reading_order
    ]
    assert [region_facts(region) for region in canvas.regions] == expected
    assert place_of(canvas) == scene.place


@pytest.mark.parametrize(
    ("description", "kind", "colour"),
    [
        ("A red cat sitting under a green tree", "cat", "red"),
        ("cats that are orange", "cat", "orange"),
        ("a big turquoise teapot", "teapot", "turquoise"),
        ("树下有一只白色的猫", "cat", "white"),
        ("一只红色大气球", "balloon", "red"),
        ("一朵黄色小花", "flower", "yellow"),
        ("a red thing", None, "red"),
        ("that fisherman's chat", None, None),
        ("", None, None),
    ],
)
def test_kind_and_colour_are_those_of_the_head_of_a_phrase(
    description: str, kind: str | None, colour: str | None
) -> None:
    found = facts(description)
    assert (found.kind, found.colour) == (kind, colour)


@pytest.mark.parametrize(
    ("description", "pattern", "second"),
    [
        ("a blue fish with white stripes", "striped", "white"),
        ("a striped red cat", "striped", None),
        ("a red cat", "plain", None),
        ("一条有橙色格子的蓝色小鱼", "checked", "orange"),
        ("一条蓝色圆点小鱼", "dotted", "blue"),
    ],
)
def test_patterns_are_read_with_their_second_colour(
    description: str, pattern: str, second: str | None
) -> None:
    found = facts(description)
    assert (found.pattern, found.second_colour) == (pattern, second)


def test_colours_of_marks_are_not_the_things_own() -> None:
    assert facts("a cat with white stripes").colour is None
    assert facts("一只有白色条纹的红色猫").colour == "red"


def test_words_in_quotes_are_a_sign_and_nothing_else() -> None:
    said = facts('a mouse with a sign saying "CAT"')
    assert (said.kind, said.sign) == (None, "CAT")
    assert facts("a red dog", 'a sign saying "A7"').sign == "A7"
    assert facts("一只红色狗", "牌子写着“OK”").sign == "OK"
    assert facts('a dog that says "hello"').sign is None


def test_the_html_colour_decides_where_no_colour_is_named() -> None:
    assert facts("a cat").is_coloured("red")
    assert facts("a red cat").is_coloured("red")
    assert not facts("a pink cat").is_coloured("red")
    assert not facts("a pink cat").is_coloured("pink")
    assert facts("a cat").size == "large"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("place", PLACES)
def test_places_are_found_in_either_language(language: str, place: str) -> None:
    words = words_of(language)
    for text in (words.places[place], words.backgrounds[place], f"{words.backgrounds[place]} 1"):
        assert place_of(Canvas(GlobalDescription(text, (), "", "snow"))) == place


def test_the_first_place_counts_and_there_may_be_none() -> None:
    scene = Scene(1, "room", scene_at("train", 4, 0).things)
    canvas = read_canvas(canvas_program(scene)).canvas
    both = replace(canvas.background, description="a room by the sea")
    assert place_of(replace(canvas, background=both)) == "room"
    assert place_of(replace(canvas, background=replace(both, description="nothing"))) is None
