import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.evaluate.benchmarks.hallusionbench import Asked, hallusion_scores, read_answer


@pytest.mark.parametrize(
    ("answer", "read"),
    [("Yes.", "Yes"), ("No, it is not", "No"), ("yes and no", "Unknown"), ("Nobody knows", "Unknown")],
)
def test_one_word_of_the_two(answer: str, read: str) -> None:
    assert read_answer(answer) == read


PLACE = st.tuples(st.sampled_from("ab"), st.sampled_from("01"), st.sampled_from("012"))


@given(st.dictionaries(PLACE, st.booleans(), min_size=1))
def test_whole_figures_and_questions_are_harder(hits: dict[tuple[str, str, str], bool]) -> None:
    found = hallusion_scores(Asked(*place, right) for place, right in hits.items())
    assert 0 <= found.mean <= 1
    assert (found.a_acc == 1) == (found.f_acc == 1) == (found.q_acc == 1) == all(hits.values())


def test_the_three_shares() -> None:
    hits = {("a", "0", "0"): True, ("a", "0", "1"): True, ("a", "1", "0"): True, ("a", "1", "1"): False}
    found = hallusion_scores(Asked(*place, right) for place, right in hits.items())
    assert (found.a_acc, found.f_acc, found.q_acc) == (0.75, 0.5, 0.5)
