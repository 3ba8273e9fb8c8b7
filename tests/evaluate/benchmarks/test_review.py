from hypothesis import given
from hypothesis import strategies as st

from gesso.evaluate.benchmarks.review import REFUSED, ReviewMeans, read_scores, summarise


@given(st.integers(1, 10), st.integers(1, 10), st.sampled_from([" ", ","]), st.text())
def test_two_grades_in_the_first_line_are_read(one: int, other: int, between: str, rest: str) -> None:
    assert read_scores(f"{one}{between}{other}\n{rest}") == (one, other)
    assert read_scores(f"Grades: {one}{between}{other}\n{rest}") == REFUSED


def test_means_are_relative_to_the_reference() -> None:
    reviews = [{"question_id": 1, "tuple": (8, 4), "category": "a"}, {"question_id": 2, "score": (10, 8)}]
    assert summarise(reviews) == {"a": ReviewMeans(50.0, 80.0, 40.0), "all": ReviewMeans(66.7, 90.0, 60.0)}
    assert set(summarise(reviews, {1})) == {"all"}
