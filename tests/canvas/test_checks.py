import pytest

from canvas.examples import refusal
from gesso.canvas.checks import check_keys, check_name, listed, shown


def test_long_values_are_shown_in_short() -> None:
    assert shown("a" * 1000) == "'" + "a" * 27 + "..." + "a" * 28 + "'"
    assert shown([[1], "b", "c", "d", "e"]) == "[[1], 'b', 'c', 'd', ...]"
    assert len(shown([["a" * 1000] * 1000] * 1000)) < 1300


def test_long_lists_of_names_are_cut() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcdefghijklm") == "a, b, c, d, e, f, ... (13 in all)"


def test_a_name_must_be_known() -> None:
    check_name("side", "left", ["left", "right"])
    assert str(refusal(check_name, "side", "lft", ["left", "right"])) == "side is 'lft'; did you mean left?"
    assert str(refusal(check_name, "side", 5, ["left", "right"])) == "side is 5; use one of: left, right"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "thing is [], a list; give an object with the keys a, b"),
        ({"a": 1}, "thing lacks the key 'b'; add it"),
        ({"a": 1, "b": 2, 3: 4}, "thing has the unknown key 3; it may have: a, b"),
    ],
)
def test_keys_are_all_there_and_known(data: object, said: str) -> None:
    assert str(refusal(check_keys, "thing", data, ["a", "b"])) == said
    assert check_keys("thing", {"a": 1}, ["a", "b"], ["b"]) == {"a": 1}
