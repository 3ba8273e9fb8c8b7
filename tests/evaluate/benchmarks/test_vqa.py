import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UsageError
from gesso.evaluate.benchmarks.vqa import ARTICLES, normalise, soft_score


@given(st.text())
def test_a_normal_form_has_no_capitals_articles_or_blanks_in_a_row(text: str) -> None:
    words = normalise(text)
    assert words == words.lower()
    assert not ARTICLES & set(words.split())
    assert words == " ".join(words.split())


@given(st.text(), st.lists(st.text(), min_size=10, max_size=10))
def test_a_score_is_a_share(prediction: str, answers: list[str]) -> None:
    assert 0 <= soft_score(prediction, answers) <= 1


@given(st.integers(0, 10))
def test_three_others_who_agree_are_enough(count: int) -> None:
    score = soft_score("red", ["red"] * count + ["blue"] * (10 - count))
    expected = [0, 0.3, 0.6, 0.9, 1, 1, 1, 1, 1, 1, 1]
    assert score == pytest.approx(expected[count])


def test_contractions_are_mended_and_numbers_become_digits() -> None:
    assert normalise("They dont have TWO cats!") == "they don't have 2 cats"
    assert normalise("couldntve") == "couldntve"  # two apostrophes are too many to guess
    assert normalise("couldn'tve") == "couldn't've"


def test_ten_annotators_are_wanted() -> None:
    with pytest.raises(UsageError, match="3 answers to a question"):
        soft_score("a", ["a"] * 3)
