from dataclasses import replace
from math import inf, nan

import pytest

from canvas.examples import BOAT, HARBOUR, refusal
from gesso.canvas.limits import MAX_DETAILS, MAX_TEXT
from gesso.canvas.parts import GlobalDescription, Region, characters, check_field
from gesso.core.errors import CanvasError


def test_a_box_is_clipped_to_the_grid() -> None:
    corner = replace(BOAT, location="on the top-left", offset="slightly to the upper-left")
    assert corner.box == (0, 30, 0, 30)
    assert replace(BOAT, location="in the center", area="a large horizontal area").box == (15, 75, 0, 90)


def test_colours_have_rgb_values() -> None:
    assert BOAT.rgb == (178, 34, 34)
    assert HARBOUR.rgb == (176, 196, 222)


def test_prompts_are_sentences() -> None:
    background = GlobalDescription(" .,A harbour,. ", ("...", "Is it?"), "", "red")
    assert background.prefixes == ("A harbour.",)
    assert background.suffixes == (".", "Is it?.", ".")
    assert replace(BOAT, description="boat").prefixes(background) == ("A harbour.", "boat.")
    assert replace(BOAT, setting=()).prefixes(background) == ("A boat.",)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("location", "on the lef", "location is 'on the lef'; did you mean on the left"),
        ("location", "x" * 500, "use one of: in the center"),
        ("offset", None, "offset is None; use one of: no offset"),
        ("area", "big", "use one of: a small square area"),
        ("colour", "#ff8800", "(149 in all)"),
        ("distance_to_viewer", 0, "distance_to_viewer is 0; write a number above 0"),
        ("distance_to_viewer", nan, "is nan; write a number above 0"),
        ("distance_to_viewer", True, "is True, a bool; write a number"),
        ("distance_to_viewer", "5", "is '5', a str; write a number"),
        ("distance_to_viewer", 10**400, "is above 1e300"),
        ("description", ["a"], "description is ['a'], a list; write one string"),
        ("tags", "a" * (MAX_TEXT + 1), f"tags has {MAX_TEXT + 1} characters; at most {MAX_TEXT}"),
        ("style", "\ud83d", "style holds half a surrogate pair"),
        ("detailed_descriptions", ["a"], "detailed_descriptions is ['a'], a list; give several strings"),
        ("detailed_descriptions", ("a", 5), "detailed_descriptions[1] is 5, an int"),
        ("detailed_descriptions", ("a",) * (MAX_DETAILS + 1), f"has {MAX_DETAILS + 1} entries"),
        ("setting", "A wood.", "setting is 'A wood.', a str"),
        ("setting", ("A wood.", "A city."), "setting has 2 texts; give one, none, or leave it out"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(field: str, value: object, said: str) -> None:
    assert said in str(refusal(replace, BOAT, **{field: value}))


def test_the_largest_values_are_allowed() -> None:
    replace(
        BOAT, distance_to_viewer=inf, description="a" * MAX_TEXT, detailed_descriptions=("",) * MAX_DETAILS
    )
    check_field("distance_to_viewer", 10**300)


def test_json_leaves_out_what_goes_without_saying() -> None:
    assert "setting" not in BOAT.to_dict()
    assert replace(BOAT, setting=()).to_dict()["setting"] == []
    assert replace(BOAT, distance_to_viewer=inf).to_dict()["distance_to_viewer"] == "infinite"


def test_json_of_a_region_is_read_strictly() -> None:
    data = BOAT.to_dict()
    assert Region.from_dict(data) == BOAT
    assert Region.from_dict(data | {"distance_to_viewer": "infinite"}).distance_to_viewer == inf
    with pytest.raises(CanvasError, match="region has the unknown key 'color'"):
        Region.from_dict(data | {"color": "red"})
    with pytest.raises(CanvasError, match=r"regions\[2\] lacks the key 'tags'"):
        Region.from_dict({key: value for key, value in data.items() if key != "tags"}, "regions[2]")
    with pytest.raises(CanvasError, match="detailed_descriptions is 'a', a str"):
        Region.from_dict(data | {"detailed_descriptions": "a"})


def test_characters_count_all_texts() -> None:
    assert characters(HARBOUR) == sum(
        map(len, ["A harbour.", "Still water.", "harbour, dawn", "lightsteelblue"])
    )
    assert characters(replace(BOAT, setting=("abc",))) - characters(BOAT) == 3
