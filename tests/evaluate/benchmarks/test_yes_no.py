import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.evaluate.benchmarks.yes_no import Confusion


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_figures_follow_from_the_counts(pairs: list[tuple[bool, bool]]) -> None:
    found = Confusion.of(pairs)
    assert found.n == len(pairs)
    for value in (found.accuracy, found.precision, found.recall, found.f1, found.yes_ratio):
        assert 0 <= value <= 1
    whole = 2 * found.tp + found.fp + found.fn
    assert found.f1 == pytest.approx(2 * found.tp / whole if whole else 0)


def test_nobody_who_never_says_yes_is_precise() -> None:
    assert Confusion.of([(False, True), (False, False)]).precision == 0
