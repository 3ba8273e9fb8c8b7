import pytest

from canvas.examples import BOAT, HARBOUR, refusal
from gesso.canvas.calls import METHODS, Argument, Draft
from gesso.canvas.canvas import Canvas
from gesso.canvas.source import COLOUR
from gesso.canvas.spelling import Correction

HARBOUR_VALUES = ["A harbour.", ["Still water."], "harbour, dawn", "lightsteelblue"]
BOAT_VALUES = {
    "location": "on the left", "offset": "no offset", "area": "a small square area",
    "distance_to_viewer": 4.5, "description": "A boat.", "detailed_descriptions": ["Red hull.", "A net."],
    "tags": "boat, red", "atmosphere": "Calm.", "style": "Oil.", "quality_meta": "Sharp.",
    COLOUR: "firebrick",
}  # fmt: skip


def set_global(draft: Draft, *values: object, line: int = 1) -> tuple[Correction, ...]:
    return draft.call("set_global_description", [Argument(None, value, line) for value in values], line)


def add_local(draft: Draft, **changes: object) -> tuple[Correction, ...]:
    values = BOAT_VALUES | changes
    arguments = [Argument(name, value, 10 + place) for place, (name, value) in enumerate(values.items())]
    return draft.call("add_local_description", arguments, 9)


def test_calls_make_a_canvas() -> None:
    draft = Draft()
    assert set_global(draft, *HARBOUR_VALUES) == add_local(draft) == ()
    assert draft.parts == [HARBOUR, BOAT]
    assert draft.canvas() == Canvas(HARBOUR, (BOAT,))


def test_corrections_come_in_the_originals_order() -> None:
    changed = {COLOUR: "FireBrick", "area": "small square area", "location": "On The Lefft"}
    corrections = add_local(Draft(), **dict(reversed(changed.items())))
    assert corrections == (
        Correction("location", "On The Lefft", "on the left", 10),
        Correction("area", "small square area", "a small square area", 12),
    )


def test_true_is_a_distance_of_one() -> None:
    draft = Draft()
    add_local(draft, distance_to_viewer=True)
    assert [part.distance_to_viewer for part in draft.parts] == [1]
    assert "is 0; write a number above 0" in str(refusal(add_local, draft, distance_to_viewer=False))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mood": "odd"}, "line 21: add_local_description has no argument 'mood'; it takes: location"),
        (
            {"detailed_descriptions": ("a",)},
            "line 15: detailed_descriptions is ('a',); write a list of strings",
        ),
        ({"detailed_descriptions": ["a", 5]}, "line 15: detailed_descriptions[1] is 5, an int"),
        ({"tags": None}, "line 16: tags is None"),
        ({"location": 5}, "line 10: location is 5, an int"),
        ({"offset": "none"}, "line 11: offset is 'none', which is near no known one; use one of: no offset"),
    ],
)
def test_a_wrong_argument_is_named_with_its_line(change: dict[str, object], said: str) -> None:
    assert said in str(refusal(add_local, Draft(), **change))


def test_arguments_are_all_required_and_given_once() -> None:
    draft = Draft()
    assert "set_global_description lacks tags, HTML_web_color_name" in str(
        refusal(set_global, draft, "a", [])
    )
    assert "takes 4 arguments; remove the others" in str(refusal(set_global, draft, *HARBOUR_VALUES, "x"))
    twice = [Argument(None, "a", 1), Argument("description", "b", 2)]
    error = refusal(draft.call, "set_global_description", twice, 1)
    assert str(error) == "line 2: set_global_description is given description twice; remove one"
    assert draft.parts == []


def test_methods_take_what_parts_have() -> None:
    assert [len(names) for names in METHODS.values()] == [4, 11]
