from dataclasses import fields

import pytest

from gesso.canvas.vocabulary import LOCATIONS
from gesso.storybook.scene import COLOURS, KINDS, MAX_THINGS, PATTERNS, PLACES, RARE_KINDS, SIZES
from gesso.storybook.words import LANGUAGES, words_of


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_name_has_its_own_word(language: str) -> None:
    words = words_of(language)
    tables = (
        (words.places, PLACES), (words.backgrounds, PLACES), (words.kinds, (*KINDS, *RARE_KINDS)),
        (words.colours, COLOURS),
        (words.patterns, PATTERNS), (words.marks, PATTERNS[1:]), (words.sizes, SIZES),
        (words.locations, LOCATIONS), (words.corners, LOCATIONS),
    )  # fmt: skip
    for table, names in tables:
        assert set(table) == set(names)
        assert len(set(table.values())) == len(table)
    assert set(words.counters) == {*KINDS, *RARE_KINDS}
    assert len(set(words.numbers)) == MAX_THINGS + 1
    assert len(fields(words)) == 14  # a new table must be checked above


def test_locations_mean_the_same_corner_in_both_languages() -> None:
    english, chinese = words_of("en"), words_of("zh")
    for name in LOCATIONS:
        plain = name.replace("-", " ").replace("center", "middle").removeprefix("on ").removeprefix("in ")
        assert english.corners[name] == plain
    assert [chinese.corners[f"on the {side}"] for side in ("left", "right", "top", "bottom")] == [
        "左边", "右边", "上方", "下方",
    ]  # fmt: skip
    assert chinese.corners["on the bottom-right"] == "右下角"
