"""A thing's palette gives main colour, pattern and fixed tones their places."""

import pytest

from gesso.storybook.palette import COLOUR_RGB, PATTERN_SHIFT, SHADE_LEVELS, Paint, thing_palette


def entry(palette: bytes, index: int) -> tuple[int, ...]:
    return tuple(palette[3 * index : 3 * index + 3])


@pytest.mark.parametrize("colour", COLOUR_RGB)
def test_the_middle_level_is_the_colour_itself(colour: str) -> None:
    palette = thing_palette(colour, None, SHADE_LEVELS // 2)
    assert len(palette) == 3 * 2 * PATTERN_SHIFT
    assert entry(palette, Paint.BODY) == entry(palette, Paint.MAIN) == COLOUR_RGB[colour]
    assert entry(palette, Paint.SHADE) != entry(palette, Paint.MAIN) != entry(palette, Paint.LINE)


def test_only_the_body_carries_the_second_colour() -> None:
    palette = thing_palette("red", "blue", SHADE_LEVELS // 2)
    assert entry(palette, Paint.BODY + PATTERN_SHIFT) == COLOUR_RGB["blue"]
    for index in (Paint.NOTHING, Paint.MAIN, Paint.SHADE, Paint.DARK, Paint.LEAF):
        assert entry(palette, index + PATTERN_SHIFT) == entry(palette, index)


def test_levels_run_from_darker_to_lighter_and_stay_near() -> None:
    sums = [sum(entry(thing_palette("green", None, level), Paint.BODY)) for level in range(SHADE_LEVELS)]
    assert sums == sorted(set(sums))
    assert sums[-1] - sums[0] < 80


def test_lines_can_be_seen_on_black_things() -> None:
    assert sum(entry(thing_palette("black", None, 2), Paint.LINE)) > 500
    assert sum(entry(thing_palette("white", None, 2), Paint.LINE)) < 200
