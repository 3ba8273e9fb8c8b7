from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gesso.evaluate.benchmarks.mmmu_answers import (
    choice_right,
    key_phrases,
    normal_forms,
    numbers_in,
    open_right,
    read_choice,
    read_open,
)

OPTIONS = {"A": "cat", "B": "dog", "C": "fish", "D": "bird"}
FORMS = ("{}", "({})", "The answer is ({}).", "I say {} and nothing else", "{}.", "It is {} ")


@given(st.text())
def test_every_answer_means_an_option(answer: str) -> None:
    first = read_choice(answer, OPTIONS, Random(1))
    assert first in OPTIONS
    assert read_choice(answer, OPTIONS, Random(1)) == first


@given(st.sampled_from(sorted(OPTIONS)), st.sampled_from(FORMS))
def test_a_letter_alone_is_read(letter: str, form: str) -> None:
    assert read_choice(form.format(letter), OPTIONS, Random(0)) == letter


@given(st.text())
def test_open_answers_are_read_without_an_error(answer: str) -> None:
    said = read_open(answer)
    assert said
    assert len(said) == len({repr(value) for value in said})
    assert key_phrases(answer)


@given(
    st.integers(-9999, 9999), st.sampled_from(["{}", "The answer is {}.", "so x = {}", "therefore it is {}"])
)
def test_a_number_is_found_again(number: int, form: str) -> None:
    assert open_right(str(number), read_open(form.format(number)))
    assert not open_right(str(number + 1), read_open(f"it is {number}"))


@given(st.integers(0, 10**9))
def test_commas_in_numbers(number: int) -> None:
    written = f"{number:,}"
    assert written in numbers_in(written)
    assert normal_forms(written) == [float(number)]


@given(st.text())
def test_normal_forms_are_small_or_numbers(text: str) -> None:
    for form in normal_forms(text):
        assert isinstance(form, float) or form == form.lower()


def test_several_right_answers() -> None:
    assert choice_right(["A", "C"], "C")
    assert not choice_right("A", "C")
    assert open_right(["Paris", "paris, france"], ["it is paris"])
    assert not open_right("a", ["banana"])  # a letter needs a blank beside it
