import pytest

from gesso.evaluate.benchmarks.mme import COGNITION, PERCEPTION, read_answer, subtask_score, total


@pytest.mark.parametrize(
    ("answer", "read"),
    [("Yes", "yes"), (" no.", "no"), ("Not so", "no"), ("I know", "other"), ("", "other"), ("Yes/no", "yes")],
)
def test_four_letters_decide(answer: str, read: str) -> None:
    assert read_answer(answer) == read


def test_a_picture_counts_twice_if_both_answers_are_right() -> None:
    rows = [("a", "Yes", "yes"), ("a", "No", "no"), ("b", "Yes", "yes"), ("b", "No", "yes")]
    found = subtask_score(rows)
    assert (found.acc, found.acc_plus, found.score) == (0.75, 0.5, 125)
    assert total({"count": found, "code_reasoning": found}, PERCEPTION) == 125
    assert len(PERCEPTION) + len(COGNITION) == 14
