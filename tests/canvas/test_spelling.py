from difflib import get_close_matches

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.canvas.spelling import LONGEST_MISS, VOCABULARIES, Correction, nearest
from gesso.core.errors import CanvasError


@pytest.mark.parametrize("field", VOCABULARIES)
def test_known_names_stay(field: str) -> None:
    assert all(nearest(field, name) == name == nearest(field, name.upper()) for name in VOCABULARIES[field])


@pytest.mark.parametrize(
    ("field", "came", "used"),
    [
        ("location", "on the topleft", "on the top-left"),
        ("area", "large vertical area", "a large vertical area"),
        ("colour", "sky blue", "skyblue"),
        ("offset", "slight to the lower", "slightly to the lower"),
    ],
)
def test_near_misses_are_understood(field: str, came: str, used: str) -> None:
    assert nearest(field, came) == used


def test_of_equally_near_names_the_last_in_the_alphabet_is_used() -> None:
    assert nearest("colour", "grya") == "grey"
    assert "gray" in get_close_matches("grya", VOCABULARIES["colour"], n=2)


@pytest.mark.parametrize(
    ("came", "said"), [("huge", "near no known one"), (None, "a NoneType"), (b"x", "a bytes")]
)
def test_other_things_are_refused(came: object, said: str) -> None:
    with pytest.raises(CanvasError, match=said):
        nearest("area", came)


@given(text=st.text("a adeghilmnorstuvz-", min_size=LONGEST_MISS + 1, max_size=2 * LONGEST_MISS))
@settings(deadline=None)
def test_texts_too_long_to_be_near_are_not(text: str) -> None:
    for names in VOCABULARIES.values():
        assert not get_close_matches(text, names, n=1, cutoff=0.5)
    with pytest.raises(CanvasError, match="near no known one"):
        nearest("colour", text)


def test_a_correction_says_what_was_read() -> None:
    assert (
        str(Correction("colour", "Sky Blue", "skyblue", 7))
        == "line 7: colour 'Sky Blue' was read as 'skyblue'"
    )
