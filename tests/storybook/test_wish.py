from itertools import islice
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso.canvas.vocabulary import LOCATIONS
from gesso.core.errors import UnknownNameError
from gesso.storybook.scene import Scene, Thing, sample_scene
from gesso.storybook.splits import ALL_PAIRS, scenes
from gesso.storybook.wish import relation_between, wish
from gesso.storybook.wish_words import RELATIONS, WISH_WORDS
from gesso.storybook.words import LANGUAGES, words_of

CAT = Thing("cat", "red", "plain", None, "medium", "on the left", "no offset", 2.0)
DOG = Thing("dog", "orange", "striped", "blue", "large", "in the center", "no offset", 3.5, "AB1")
SCENE = Scene(1, "sea", (CAT, DOG))


def cell(location: str) -> tuple[int, int]:
    x, y = LOCATIONS[location]
    return x // 30, y // 30


def moved(location: str) -> Thing:
    return Thing("hat", "blue", "plain", None, "small", location, "no offset", 1.0)


def readings(other: Thing, relation: str, direct: bool) -> set[str]:
    """All locations that a reader may understand: any distance that way, one step if it is called direct."""
    (x, y), (dx, dy) = cell(other.location), RELATIONS[relation]
    if dx and dy:  # "above and to the left": anything higher up and farther left
        near = {name for name in LOCATIONS if (cell(name)[0] - x) * dx > 0 and (cell(name)[1] - y) * dy > 0}
    else:
        steps = (1,) if direct else (1, 2)
        near = {name for name in LOCATIONS if cell(name) in [(x + dx * n, y + dy * n) for n in steps]}
    return near


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**48), language=st.sampled_from(LANGUAGES), choice=st.integers(0, 2**32))
def test_everything_a_canvas_is_scored_by_is_said(seed: int, language: str, choice: int) -> None:
    scene = sample_scene(seed, pairs=ALL_PAIRS, sign_rate=0.4)
    text = wish(scene, Random(choice), language).text
    words = words_of(language)
    lowered = text.lower().replace("grey", "gray")
    assert words.places[scene.place].lower() in lowered or words.backgrounds[scene.place].lower() in lowered
    for thing in scene.things:
        assert words.kinds[thing.kind] in lowered
        assert words.colours[thing.colour] in lowered
        if thing.second_colour:
            assert words.mark(thing) in lowered
        if thing.sign:
            assert thing.sign in text
        if thing.size != "medium":
            assert any(word in lowered for word in WISH_WORDS[language].sizes[thing.size])
    assert "\n" not in text
    assert "{" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lone_things_place_is_said_as_it_is(language: str) -> None:
    for name in LOCATIONS:
        said = WISH_WORDS[language].locations[name]
        text = wish(Scene(1, "sea", (moved(name),)), Random(3), language).text
        assert any(where in text.lower() for where in said), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_locations_are_said_alike(language: str) -> None:
    said = [where for ways in WISH_WORDS[language].locations.values() for where in ways]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("there", LOCATIONS)
@pytest.mark.parametrize("here", LOCATIONS)
def test_a_relation_leads_to_one_location_only(here: str, there: str) -> None:
    found = relation_between(moved(here), moved(there))
    (x, y), (a, b) = cell(here), cell(there)
    if found is not None:
        assert readings(moved(there), *found) == {here}
    elif max(abs(x - a), abs(y - b)) == 1:
        assert 0 not in (x - a, y - b)
        assert there != "in the center"


@pytest.mark.parametrize("language", LANGUAGES)
def test_relations_are_used_and_refer_to_things_that_are_placed_themselves(language: str) -> None:
    used = 0
    for choice in range(60):
        text = wish(SCENE, Random(choice), language).text.lower()
        places = WISH_WORDS[language].locations
        relative = any(
            way.format(other=other) in text
            for ways in (*WISH_WORDS[language].relations.values(), *WISH_WORDS[language].direct.values())
            for way in ways
            for other in ("the cat", "the dog", "猫", "狗")
        )
        absolute = sum(any(way in text for way in places[thing.location]) for thing in SCENE.things)
        assert absolute >= 1
        assert relative or absolute == 2
        used += relative
    assert 10 <= used <= 50


def test_nothing_said_about_the_size_means_medium() -> None:
    small_or_large = [word for size in ("small", "large") for word in WISH_WORDS["en"].sizes[size]]
    texts = [wish(Scene(1, "sea", (CAT,)), Random(choice)).text for choice in range(40)]
    assert not any(word in text for text in texts for word in small_or_large)
    assert 0 < sum("medium" in text for text in texts) < 40


@pytest.mark.parametrize("language", LANGUAGES)
def test_wishes_vary_and_follow_from_the_generator(language: str) -> None:
    texts = {wish(SCENE, Random(choice), language).text for choice in range(100)}
    assert len(texts) > 90
    assert wish(SCENE, Random(7), language).text == wish(SCENE, Random(7), language).text


def test_articles_fit_their_nouns() -> None:
    text = " ".join(
        wish(scene, Random(n)).text.lower() for n, scene in enumerate(islice(scenes("train", 4), 80))
    )
    assert " an orange" in text
    assert " a orange" not in text
    assert " an r" not in text


@pytest.mark.parametrize("scene", [SCENE, Scene(2, "night", (DOG,))])
def test_an_english_wish_begins_with_a_capital_or_as_people_type(scene: Scene) -> None:
    texts = [wish(scene, Random(choice)).text for choice in range(40)]
    assert {text[0].isupper() for text in texts} == {True, False}
    assert all(text == text.strip() for text in texts)


def test_other_languages_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown language 'de'"):
        wish(SCENE, Random(0), "de")
