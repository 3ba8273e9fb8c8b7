import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from canvas.examples import BOAT, CANVAS, HARBOUR, TOWER, canvases, fenced, refusal
from gesso.canvas.canvas import WHOLE, Canvas, Condition
from gesso.canvas.limits import MAX_CHARACTERS, MAX_REGIONS
from gesso.canvas.parse import Reading, read_canvas
from gesso.core.errors import CanvasError


@given(canvas=canvases())
@settings(deadline=None)
def test_a_canvas_is_read_again_from_its_program(canvas: Canvas) -> None:
    assert read_canvas(canvas.to_source()) == Reading(canvas)
    assert read_canvas(canvas.to_source(fenced=True), published=True) == Reading(canvas)


@given(canvas=canvases())
@settings(deadline=None)
def test_a_canvas_is_made_again_from_its_json(canvas: Canvas) -> None:
    text = json.dumps(canvas.to_dict(), allow_nan=False)
    assert Canvas.from_dict(json.loads(text)) == canvas


def test_a_program_is_in_the_published_notation() -> None:
    source = Canvas(HARBOUR, (TOWER,)).to_source()
    assert source == (
        "canvas = Canvas()\n"
        "\n"
        "canvas.set_global_description(\n"
        "    description='A harbour.',\n"
        "    detailed_descriptions=['Still water.'],\n"
        "    tags='harbour, dawn',\n"
        "    HTML_web_color_name='lightsteelblue',\n"
        ")\n"
        "\n"
        "canvas.add_local_description(\n"
        "    location='on the right',\n"
        "    offset='slightly to the upper',\n"
        "    area='a large vertical area',\n"
        "    distance_to_viewer=9,\n"
        "    description='A tower.',\n"
        "    detailed_descriptions=[],\n"
        "    tags='tower',\n"
        "    atmosphere='Calm.',\n"
        "    style='Oil.',\n"
        "    quality_meta='Sharp.',\n"
        "    HTML_web_color_name='white',\n"
        ")\n"
    )
    assert Canvas(HARBOUR, (TOWER,)).to_source(fenced=True) == fenced(source)


def test_far_regions_come_first_and_equally_far_ones_in_order() -> None:
    near = replace(TOWER, distance_to_viewer=1)
    other = replace(BOAT, tags="the same distance")
    assert Canvas(HARBOUR, (near, BOAT, other, TOWER)).by_depth == (TOWER, BOAT, other, near)


def test_conditions_are_the_background_then_the_regions_by_depth() -> None:
    whole, tower, boat = CANVAS.conditions
    assert whole == Condition(WHOLE, ("A harbour.",), ("Still water.", "harbour, dawn."), None)
    assert tower.region is CANVAS.regions[1]
    assert tower.prefixes == ("A harbour.", "A tower.")
    assert boat == Condition(
        box=(20, 70, 0, 40),
        prefixes=("A harbour.", "A boat."),
        suffixes=("Red hull.", "A net.", "boat, red.", "Calm.", "Oil.", "Sharp."),
        region=BOAT,
    )


def test_regions_follow_a_new_background_unless_they_had_another() -> None:
    elsewhere = replace(TOWER, setting=("A wood.",))
    canvas = replace(Canvas(HARBOUR, (BOAT, elsewhere)), background=replace(HARBOUR, description="A city."))
    prefixes = [condition.prefixes for condition in canvas.conditions]
    assert prefixes == [("A city.",), ("A wood.", "A tower."), ("A city.", "A boat.")]


def test_the_backgrounds_own_setting_is_stored_as_none() -> None:
    named = replace(BOAT, setting=("A harbour.",))
    assert Canvas(HARBOUR, (named,)) == Canvas(HARBOUR, (BOAT,))
    assert Canvas(HARBOUR, (BOAT,)).regions[0] is BOAT


def test_settings_are_written_as_backgrounds_of_their_own() -> None:
    first, other = replace(BOAT, setting=()), replace(BOAT, setting=("A wood.",))
    source = Canvas(HARBOUR, (first, other, BOAT, other)).to_source()
    calls = [line for line in source.splitlines() if "canvas." in line or line.startswith("    description")]
    assert [line.split("(")[0].split(".")[-1] if "canvas." in line else line.strip() for line in calls] == [
        "add_local_description", "description='A boat.',",
        "set_global_description", "description='A wood.',",
        "add_local_description", "description='A boat.',",
        "set_global_description", "description='A harbour.',",
        "add_local_description", "description='A boat.',",
        "set_global_description", "description='A wood.',",
        "add_local_description", "description='A boat.',",
        "set_global_description", "description='A harbour.',",
    ]  # fmt: skip


def test_a_region_without_background_cannot_follow_one_that_has_it() -> None:
    with pytest.raises(CanvasError, match="region 2 has the setting"):
        Canvas(HARBOUR, (BOAT, replace(TOWER, setting=())))


def test_there_are_bounds() -> None:
    assert len(Canvas(HARBOUR, (BOAT,) * MAX_REGIONS).regions) == MAX_REGIONS
    with pytest.raises(CanvasError, match="129 regions; at most 128"):
        Canvas(HARBOUR, (BOAT,) * (MAX_REGIONS + 1))
    long = replace(BOAT, description="a" * 16_000)
    with pytest.raises(CanvasError, match=f"at most {MAX_CHARACTERS}"):
        Canvas(HARBOUR, (long,) * 17)


@pytest.mark.parametrize(
    ("background", "regions", "said"),
    [
        ("A harbour.", (), "background must be a GlobalDescription"),
        (HARBOUR, [BOAT], "regions must be a tuple of Region"),
        (HARBOUR, (HARBOUR,), "regions must be a tuple of Region"),
    ],
)
def test_other_parts_are_refused(background: object, regions: object, said: str) -> None:
    assert said in str(refusal(Canvas, background, regions))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "canvas has the unknown key 'colour'; it may have: background, regions"),
        ({"regions": None}, "regions is None; give a list of objects"),
        ({"regions": [1]}, "regions[0] is 1, an int; give an object with the keys location"),
        ({"regions": [{}] * 129}, "129 regions"),
        ({"background": {}}, "background lacks the key 'description'"),
        ({"background": HARBOUR.to_dict() | {"x": 1}}, "background has the unknown key 'x'"),
        ({"background": HARBOUR.to_dict() | {"colour": "blu"}}, "colour is 'blu'; did you mean blue"),
    ],
)
def test_json_is_read_strictly(change: dict[str, object], said: str) -> None:
    assert said in str(refusal(Canvas.from_dict, CANVAS.to_dict() | change))


def test_json_must_be_an_object() -> None:
    assert "canvas is [1], a list" in str(refusal(Canvas.from_dict, [1]))
