import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UsageError
from gesso.evaluate.benchmarks.mathvista import _distance, is_right, query, quick_answer, typed_answer


def _problem(**values: object) -> dict[str, object]:
    usual = {"question": "Q?", "unit": None, "choices": None, "precision": None,
             "question_type": "free_form", "answer_type": "integer"}  # fmt: skip
    return {**usual, **values}


@given(st.integers())
def test_integers_come_back(number: int) -> None:
    problem = _problem()
    assert quick_answer(f" {number} ", problem) == str(number)
    if abs(number) < 2**53:
        assert typed_answer(f"{number}", problem) == str(number)


@given(st.text())
def test_no_text_breaks_the_types(text: str) -> None:
    for kind, precision in (("integer", None), ("float", 2), ("list", None), ("text", None)):
        found = typed_answer(text, _problem(answer_type=kind, precision=precision))
        assert found is None or isinstance(found, str)
    assert typed_answer(text, _problem(question_type="multi_choice", choices=["x", "y"])) in ("x", "y")


@given(st.text(max_size=8), st.text(max_size=8))
def test_the_distance_is_one(one: str, other: str) -> None:
    assert _distance(one, other) == _distance(other, one)
    assert (_distance(one, other) == 0) == (one == other)
    assert _distance(one, other) <= max(len(one), len(other))


@pytest.mark.parametrize("text", ["inf", "nan", "1e400"])
def test_numbers_that_are_none(text: str) -> None:
    assert typed_answer(text, _problem()) is None
    assert not is_right(None, "1")


@pytest.mark.parametrize("values", [{"answer_type": "float", "precision": 3}, {"answer_type": "text"}])
def test_other_forms_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="no problem of the form"):
        query(_problem(**values))
