import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UnknownNameError
from gesso.evaluate.benchmarks.scienceqa import FAILED, LETTERS, chosen, question, read_letter

PROBLEM = {"question": "Q?", "choices": ["x", "y"], "answer": 1, "hint": "", "image": None,
           "lecture": "", "solution": ""}  # fmt: skip


@given(st.text())
def test_a_letter_is_read_or_the_answer_failed(answer: str) -> None:
    assert read_letter(answer) == FAILED or len(read_letter(answer)) == 1


@given(st.sampled_from(LETTERS), st.integers(0, 5))
def test_a_letter_names_a_choice_that_is_there(letter: str, count: int) -> None:
    place = LETTERS.index(letter)
    assert chosen(letter, ["x"] * count) == (place if place < count else -1)
    assert chosen(FAILED, ["x"] * count) == -1


def test_other_layouts_are_refused() -> None:
    assert question(PROBLEM, "QCM-A") == "Question: Q?\nContext: N/A\nOptions: (A) x (B) y"
    with pytest.raises(UnknownNameError, match="layout of ScienceQA"):
        question(PROBLEM, "MCQ-A")
