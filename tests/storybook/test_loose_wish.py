from random import Random

import pytest

from gesso.storybook.loose_wish import loose_wish
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scene_at
from gesso.storybook.words import words_of


def thing(kind: str, colour: str, location: str, *, second: str | None = None) -> Thing:
    return Thing(
        kind=kind,
        colour=colour,
        pattern="striped" if second else "plain",
        second_colour=second,
        size="medium",
        location=location,
        offset="no offset",
        distance=3.0,
    )


FISH = thing("fish", "red", "on the left", second="white")
BALL = thing("ball", "yellow", "on the right")
SCENE = Scene(place="night", things=(FISH, BALL), seed=0)


def wishes(scene: Scene, language: str = "en", count: int = 400) -> set[str]:
    return {loose_wish(scene, Random(number), language).text for number in range(count)}


def test_two_things_may_be_told_in_one_breath() -> None:
    found = wishes(SCENE)
    assert "a striped red fish left of a yellow ball at night" in found
    assert "a yellow ball right of a striped red fish at night" in found


def test_in_chinese_too() -> None:
    assert "夜空下，一个黄色球的左边有一条条纹红色鱼" in wishes(SCENE, "zh")


def test_a_way_is_told_only_where_it_holds() -> None:
    assert not any("fish right of" in wish or "fish above" in wish for wish in wishes(SCENE))


def test_sizes_places_and_second_colours_may_be_missing() -> None:
    found = wishes(Scene(place="night", things=(FISH,), seed=0))
    assert "a striped red fish" in found
    assert any("medium" in wish for wish in found)
    assert any("white" in wish for wish in found)
    assert any("on the left" in wish for wish in found)


def test_even_ways_may_both_be_told() -> None:
    corner = Scene(place="sea", things=(thing("fish", "red", "on the top-left"), BALL), seed=0)
    level = Scene(
        place="sea",
        things=(thing("fish", "red", "on the top-left"), thing("ball", "yellow", "in the center")),
        seed=0,
    )
    assert any("fish left of" in wish for wish in wishes(corner))
    assert not any("fish above" in wish for wish in wishes(corner))
    assert any("fish above" in wish for wish in wishes(level))
    assert any("fish left of" in wish for wish in wishes(level))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_thing_is_told_in_its_colour(language: str) -> None:
    words = words_of(language)
    for number in range(60):
        scene = scene_at("train", 3, number)
        wish = loose_wish(scene, Random(number), language).text
        assert "  " not in wish
        assert wish == wish.strip()
        for one in scene.things:
            assert words.kinds[one.kind] in wish
            assert words.colours[one.colour] in wish
