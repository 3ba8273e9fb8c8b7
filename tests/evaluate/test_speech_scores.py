import pytest

from gesso.core.errors import UsageError
from gesso.evaluate.report import summarise
from gesso.evaluate.scorers import rate_and_stderr
from gesso.evaluate.speech_scores import count_errors, normalise_transcript
from gesso.evaluate.task import Record


@pytest.mark.parametrize(
    ("said", "wanted", "language", "errors"),
    [
        ("Two red fish.", "two red fish", "en", (0, 3)),
        ("two blue", "two red fish", "en", (2, 3)),
        ("two red fish swim", "two red fish", "en", (1, 3)),
        ("it’s red", "It's red!", "en", (0, 2)),
        ("'red' fish", "red fish", "en", (0, 2)),
        ("两条红 色的鱼。", "两条红色的鱼", "zh", (0, 6)),
        ("两条蓝色鱼", "两条红色的鱼", "zh", (2, 6)),
        ("words", "!", "en", (1, 0)),
        ("", "a b", "en", (2, 2)),
    ],
)
def test_errors_are_counted_as_recognition_counts_them(
    said: str, wanted: str, language: str, errors: tuple[int, int]
) -> None:
    assert count_errors(said, wanted, language) == errors


def test_accents_and_wide_letters_stay() -> None:
    assert normalise_transcript("Café ＡＢＣ", "en") == "café abc"


def test_a_rate_weighs_long_samples_more_and_has_the_error_of_a_ratio() -> None:
    rate, error = rate_and_stderr([0, 3], [2, 10])
    assert rate == 0.25
    # residuals -0.5 and 0.5 over a mean length of 6
    assert error == pytest.approx((0.5 / 2) ** 0.5 / 6)
    with pytest.raises(UsageError, match="rate over nothing"):
        rate_and_stderr([1], [0])


def test_rates_take_the_place_of_their_parts_in_a_report() -> None:
    records = [
        Record(str(n), "told", "p", "x", "y", 0.5, {"errors": float(n), "length": 4.0, "exact": 0.0})
        for n in range(3)
    ]
    _, parts = summarise(records, {"word error rate": ("errors", "length")})
    assert parts["word error rate"].score == 0.25
    assert parts["word error rate"].n == 3
    assert set(parts) == {"told", "exact", "word error rate"}
