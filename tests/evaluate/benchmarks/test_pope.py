import pytest

from gesso.evaluate.benchmarks.pope import says_yes


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ("Yes. No.", True),
        ("no", False),
        ("NO", True),
        ("It is not, I think", False),
        ("", True),
        ("none", True),
    ],
)
def test_only_three_words_of_the_first_sentence_mean_no(answer: str, yes: bool) -> None:
    assert says_yes(answer) is yes
