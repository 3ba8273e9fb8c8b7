import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UsageError
from gesso.evaluate.benchmarks.textvqa import answer_scores, exact_score, prompt, question_of

LINE = st.text(st.characters(exclude_characters="\n\r", exclude_categories=("Cs",)), min_size=1).filter(
    lambda text: (
        not text.startswith(("OCR tokens: ", "Reference OCR token: ")) and "Reference OCR token: " not in text
    )
)


@given(LINE, st.none() | st.lists(st.sampled_from(["STOP", "12", "a b"])))
def test_the_question_is_found_in_the_prompt_again(question: str, read: list[str] | None) -> None:
    assert question_of(prompt(question, read)) == question.lower()


def test_no_tokens_are_not_the_same_as_no_line_of_tokens() -> None:
    assert prompt("Q", ()).count("\n") == 2
    assert prompt("Q").count("\n") == 1


def test_other_layouts_are_refused() -> None:
    with pytest.raises(UsageError, match="is not laid out"):
        question_of("OCR tokens: a. What is it?")


def test_scores_of_answers() -> None:
    answers = ["Nike"] * 9 + ["adidas"]
    assert answer_scores(answers) == pytest.approx({"nike": 1.0, "adidas": 0.3})
    assert (exact_score("NIKE.", answers), exact_score("puma", answers)) == (1.0, 0.0)
