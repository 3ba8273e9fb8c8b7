import pytest

from gesso.canvas.colours import COLOURS, luminance


def test_there_are_149_colours() -> None:
    assert len(COLOURS) == 149
    assert COLOURS["navyblue"] == COLOURS["navy"] == (0, 0, 128)
    assert COLOURS["gray"] == COLOURS["grey"] == (128, 128, 128)
    assert COLOURS["rebeccapurple"] == (102, 51, 153)


@pytest.mark.parametrize(
    ("rgb", "value"),
    [
        ((0, 0, 0), 0.0),
        ((255, 255, 255), 1.0),
        ((255, 0, 0), 0.2126),
        ((0, 0, 255), 0.0722),
        ((9, 9, 9), 0.0027),
    ],
)
def test_luminance_is_that_of_wcag(rgb: tuple[int, int, int], value: float) -> None:
    assert luminance(rgb) == pytest.approx(value, abs=5e-5)
