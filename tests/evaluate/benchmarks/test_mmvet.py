import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import GessoError
from gesso.evaluate.benchmarks.mmvet import grade_of, grading_prompt


@given(st.integers(0, 10), st.sampled_from(["{}", "Grade: {}", "I give {}.", "**{}**"]))
def test_a_grade_is_read(tenths: int, form: str) -> None:
    assert grade_of(form.format(tenths / 10)) == tenths / 10


@pytest.mark.parametrize("reply", ["", "very good", "7", "2.5"])
def test_no_grade_is_an_error(reply: str) -> None:
    with pytest.raises(GessoError, match="holds no grade"):
        grade_of(reply)


def test_the_prompt_holds_all_three() -> None:
    assert grading_prompt("Q?", "one <AND> two", "three").endswith(
        "Question: Q?\nTrue answer: one <AND> two\nAnswer: three\nGrade:"
    )
