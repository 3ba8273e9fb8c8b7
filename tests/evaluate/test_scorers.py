import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UsageError
from gesso.evaluate.scorers import exact_match, mean_and_stderr, normalise_answer


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" Yes.\n", "yes"), ("a red Cat", "a red cat"), ("在草地上。", "在草地上"),
        ("two .", "two"), (".", ""), ("A.B", "a.b"),
    ],
)  # fmt: skip
def test_normalising_takes_off_what_does_not_count(text: str, normal: str) -> None:
    assert normalise_answer(text) == normal


def test_only_one_final_stop_is_taken_off() -> None:
    assert normalise_answer("no..") == "no."


@pytest.mark.parametrize(
    ("prediction", "target", "score"),
    [("Red", "red.", 1.0), ("red cat", "red", 0.0), ("", "red", 0.0), ("红色。", "红色", 1.0)],
)
def test_exact_match(prediction: str, target: str, score: float) -> None:
    assert exact_match(prediction, target) == score


def test_mean_and_standard_error_of_a_known_sample() -> None:
    mean, stderr = mean_and_stderr([1, 1, 0, 0])
    assert mean == 0.5
    assert stderr == pytest.approx(math.sqrt(1 / 3) / 2)  # sample variance 1/3, n = 4


def test_a_single_score_has_no_error() -> None:
    assert mean_and_stderr([0.25]) == (0.25, 0.0)


def test_no_scores_have_no_mean() -> None:
    with pytest.raises(UsageError, match="no scores"):
        mean_and_stderr([])


@given(st.integers(1, 500), st.integers(0, 500))
def test_for_right_and_wrong_the_error_is_the_binomial_one(right: int, wrong: int) -> None:
    n = right + wrong
    mean, stderr = mean_and_stderr([1.0] * right + [0.0] * wrong)
    assert mean == pytest.approx(right / n)
    assert stderr == pytest.approx(math.sqrt(mean * (1 - mean) / (n - 1)) if n > 1 else 0, abs=1e-9)
