from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.evaluate.benchmarks.choices import (
    INSTRUCTIONS,
    Choice,
    is_nothing,
    letter_prompt,
    options_of,
    read_choice,
    rounds,
    select_prompt,
)

OPTIONS = ("a red cat", "a blue dog", "two fish")
CHOICE = Choice(OPTIONS, ("A", "B", "C"))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
def test_rotations_show_every_option_under_every_letter(options: list[str]) -> None:
    choice = Choice(tuple(options), tuple(ascii_uppercase[: len(options)]))
    turned = rounds(choice)
    assert len(turned) == len(options)
    assert rounds(choice, circular=False) == [choice] == turned[:1]
    for each in turned:
        back = {
            each.original(shown): text for shown, text in zip(ascii_uppercase, each.options, strict=False)
        }
        assert back == dict(zip(choice.letters, choice.options, strict=True))


@given(st.sampled_from("ABC"), st.sampled_from(["{}", "{}.", "({})", "Answer: {}", "{}: that one", "**{}**"]))
def test_a_letter_is_read(letter: str, form: str) -> None:
    assert read_choice(form.format(letter), OPTIONS) == letter


@given(st.text(), st.lists(st.text(min_size=1), max_size=6))
def test_what_is_read_is_an_option_or_nothing(answer: str, options: list[str]) -> None:
    assert read_choice(answer, options) in {"", *ascii_uppercase[: len(options)]}


@pytest.mark.parametrize(
    ("answer", "read"),
    [("It is a blue dog.", "B"), ("A or B", ""), ("D", ""), ("A man who holds something red", ""),
     ("(A) is what I would choose here", "A"), ("Cannot determine the answer", "")],
)  # fmt: skip
def test_other_answers(answer: str, read: str) -> None:
    assert read_choice(answer, OPTIONS) == read


def test_options_end_at_the_first_empty_cell() -> None:
    assert options_of({"A": "x", "B": "nan", "C": "z"}) == Choice(("x",), ("A",))
    assert [is_nothing(value) for value in (None, float("nan"), "None", "0", 0)] == [True] * 3 + [False] * 2
    assert CHOICE.original("D") == CHOICE.original("") == CHOICE.original("AB") == ""


def test_both_prompts() -> None:
    choice = Choice(("x", "y"), ("A", "B"))
    assert letter_prompt("Q?", choice, "nan", INSTRUCTIONS["cn"]) == "Q?\nA. x\nB. y\n请直接回答选项字母。"
    assert letter_prompt("Q?", choice, "Hm.") == "Hm.\nQ?\nA. x\nB. y"
    assert select_prompt("Q?", choice, "Hm.").splitlines()[:3] == ["Hint: Hm.", "Question: Q?", "Options:"]
    assert select_prompt("Q?", Choice((), ())) == "Question: Q?"
