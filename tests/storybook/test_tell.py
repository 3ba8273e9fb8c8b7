import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UnknownNameError
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, PLACES, SIZES, Scene, Thing, sample_scene
from gesso.storybook.splits import ALL_PAIRS
from gesso.storybook.tell import (
    Parsed,
    ThingFacts,
    caption,
    describe,
    parse_description,
    scene_graph,
    scene_graph_f1,
)
from gesso.storybook.words import LANGUAGES

scenes = st.builds(lambda seed: sample_scene(seed, pairs=ALL_PAIRS, sign_rate=0.4), st.integers(0, 2**48))

FISH = Thing("fish", "blue", "striped", "white", "small", "on the top-left", "no offset", 2.0, "AB1")
UMBRELLA = Thing("umbrella", "orange", "plain", None, "large", "in the center", "no offset", 3.0)
PICTURE = Scene(1, "beach", (UMBRELLA, FISH))


@given(scene=scenes, language=st.sampled_from(LANGUAGES), signs=st.booleans())
def test_a_description_is_read_back_exactly(scene: Scene, language: str, signs: bool) -> None:
    assert parse_description(describe(scene, language, signs=signs), language) == scene_graph(scene)


@given(text=st.text(), language=st.sampled_from(LANGUAGES))
def test_any_text_is_read_without_an_error(text: str, language: str) -> None:
    parsed = parse_description(text, language)
    assert all(thing.kind in KINDS for thing in parsed.things)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_single_fact_is_read_back(language: str) -> None:
    for i, kind in enumerate(KINDS):
        for j, colour in enumerate(COLOURS):
            pattern = PATTERNS[(i + j) % 4]
            second = None if pattern == "plain" else COLOURS[j - 1]
            size = sorted(SIZES)[i % 3]
            thing = Thing(kind, colour, pattern, second, size, "on the left", "no offset", 1.0)
            scene = Scene(0, PLACES[i % 8], (thing,))
            assert parse_description(describe(scene, language), language) == scene_graph(scene)


def test_texts_in_english() -> None:
    assert caption(PICTURE) == "at the beach: a blue fish with white stripes, an orange umbrella"
    assert describe(PICTURE) == (
        "At the beach there are two things. At the top left is a small blue fish with white stripes. "
        "In the middle is a large orange umbrella."
    )
    assert 'stripes and a sign saying "AB1".' in describe(PICTURE, signs=True)


def test_texts_in_chinese() -> None:
    assert caption(PICTURE, "zh") == "海滩上：一条有白色条纹的蓝色鱼，一把橙色雨伞"
    assert describe(PICTURE, "zh") == (
        "海滩上有两个东西。左上角是一条有白色条纹的蓝色小鱼。中间是一把橙色大雨伞。"
    )
    assert "小鱼，牌子写着“AB1”。" in describe(PICTURE, "zh", signs=True)


@given(scene=scenes)
def test_articles_are_right(scene: Scene) -> None:
    said = caption(scene) + describe(scene)
    assert not re.search(r"\ba (orange|umbrella)|\ban (?!orange|umbrella)", said)


def test_sentences_not_understood_are_skipped() -> None:
    text = describe(PICTURE).replace("small blue fish", "tiny blue fish") + " What a day."
    assert parse_description(text) == Parsed("beach", scene_graph(PICTURE).things[1:])


def test_f1_of_equal_different_and_half_right_descriptions() -> None:
    fish = ThingFacts("on the left", "small", "red", "plain", None, "fish")
    true = Parsed("sea", (fish,))
    assert scene_graph_f1(true, true) == 1.0
    assert scene_graph_f1(Parsed(None, ()), true) == 0.0
    assert scene_graph_f1(Parsed(None, ()), Parsed(None, ())) == 1.0
    # 5 facts each (place, size, colour, pattern, kind), of which place and colour differ
    wrong = Parsed("city", (fish._replace(colour="blue"),))
    assert scene_graph_f1(wrong, true) == pytest.approx(3 / 5)


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown language 'fr'; known: en, zh"):
        describe(PICTURE, "fr")
