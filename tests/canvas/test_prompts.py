import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.canvas.prompts import ROOM, WINDOW, WindowIds, as_sentence, greedy_bags, token_windows
from gesso.core.errors import CanvasError


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A boat", "A boat."),
        (" .,A boat,. ", "A boat."),
        ("", "."),
        ("...", "."),
        ("Why?", "Why?."),
        ("a\n", "a\n."),
    ],
)
def test_a_sentence_ends_in_one_dot(text: str, sentence: str) -> None:
    assert as_sentence(text) == sentence


@pytest.mark.parametrize(
    ("room", "lengths", "bags"),
    [
        (10, [], ()),
        (10, [4, 6, 1], ((0, 1), (2,))),
        (10, [11, 2, 3], ((0,), (1, 2))),
        (10, [2, 11, 3], ((0,), (1,), (2,))),
        (10, [9, 2, 1], ((0,), (1, 2))),
        (0, [1, 0, 0, 1], ((0,), (1, 2), (3,))),
        (-5, [1, 1], ((0,), (1,))),
    ],
)
def test_bags_are_filled_in_order(room: int, lengths: list[int], bags: tuple[tuple[int, ...], ...]) -> None:
    assert greedy_bags(room, lengths) == bags


@given(room=st.integers(-5, 80), lengths=st.lists(st.integers(0, 75), max_size=30))
@settings(deadline=None)
def test_every_text_is_in_one_bag_and_no_bag_could_take_the_next(room: int, lengths: list[int]) -> None:
    bags = greedy_bags(room, lengths)
    assert [index for bag in bags for index in bag] == list(range(len(lengths)))
    sums = [sum(lengths[index] for index in bag) for bag in bags]
    assert all(total <= room or len(bag) == 1 for bag, total in zip(bags, sums, strict=True))
    assert all(total + lengths[after[0]] > room for total, after in zip(sums, bags[1:], strict=False))


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


FIRST = WindowIds(letters, bos=1, eos=2, pad=2)
SECOND = WindowIds(letters, bos=1, eos=2, pad=0)


def test_a_window_is_filled_up_to_77() -> None:
    assert SECOND.window([7, 8]) == (1, 7, 8, 2, *[0] * 73)
    assert FIRST.window(range(100)) == (1, *range(ROOM), 2)
    assert len(FIRST.window([])) == WINDOW


def test_every_window_has_the_whole_prefix() -> None:
    (windows, others) = token_windows(["a" * 40, "b" * 10], ["c" * 20, "d" * 5, "e"], [FIRST, SECOND])
    prefix = letters("a" * 40 + "b" * 10)
    assert windows == (FIRST.window(prefix + letters("c" * 20 + "d" * 5)), FIRST.window([*prefix, ord("e")]))
    assert others == (SECOND.window(prefix + letters("c" * 20 + "d" * 5)), SECOND.window([*prefix, ord("e")]))


def test_a_prefix_that_fills_the_window_gives_one_alike_for_each_text() -> None:
    (windows,) = token_windows(["a" * 80], ["b", "c", "d"], [FIRST])
    assert windows == (FIRST.window(letters("a" * 75)),) * 3


def test_long_texts_are_cut() -> None:
    (windows,) = token_windows([], ["a" * 200, "b"], [FIRST])
    assert windows == (FIRST.window(letters("a" * 75)), FIRST.window(letters("b")))


def test_without_suffixes_there_is_one_window() -> None:
    assert token_windows(["ab"], [], [FIRST, SECOND]) == (
        (FIRST.window(letters("ab")),),
        (SECOND.window(letters("ab")),),
    )


def test_tokenizers_must_agree() -> None:
    other = WindowIds(lambda text: letters(text)[1:], 1, 2, 0)
    with pytest.raises(CanvasError, match="cut the prompts differently"):
        token_windows(["ab"], ["c"], [FIRST, other])
