import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UsageError
from gesso.evaluate.benchmarks.mmmu import SUBJECTS, question_of, shares, subject_of

ROW = {"question": "Q?", "options": "['x', 'y']", "answer": "B", "question_type": "multiple-choice"}


@given(st.sampled_from(SUBJECTS), st.integers(1, 999))
def test_the_subject_stands_in_the_id(subject: str, number: int) -> None:
    assert subject_of(f"validation_{subject}_{number}") == subject


@given(st.dictionaries(st.tuples(st.sampled_from(SUBJECTS), st.integers(1, 9)), st.booleans(), min_size=1))
def test_the_overall_share_is_that_of_all_questions(hits: dict[tuple[str, int], bool]) -> None:
    share, count = shares({f"test_{subject}_{n}": hit for (subject, n), hit in hits.items()})["Overall"]
    assert count == len(hits)
    assert share == pytest.approx(sum(hits.values()) / len(hits))


@pytest.mark.parametrize("answer", ["?", "", None])
def test_test_answers_are_not_public(answer: str | None) -> None:
    assert question_of({**ROW, "answer": answer}).answer is None


def test_several_answers_and_lists_that_are_none() -> None:
    open_row = {**ROW, "question_type": "open", "answer": "['2', 'two']"}
    assert question_of(open_row).answer == ["2", "two"]
    for options in ("[oops", "7"):
        with pytest.raises(UsageError, match="is no list of texts"):
            question_of({**ROW, "options": options})
