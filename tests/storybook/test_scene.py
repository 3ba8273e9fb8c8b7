from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UnknownNameError, UsageError
from gesso.storybook.scene import (
    COLOURS,
    KINDS,
    MAX_THINGS,
    PLACES,
    RARE_KINDS,
    SIZES,
    Scene,
    Thing,
    sample_scene,
    with_rare,
)

PAIRS = [(kind, colour) for kind in KINDS for colour in COLOURS]
CAT = Thing("cat", "red", "plain", None, "small", "on the left", "no offset", 2.0)


def test_the_world_is_large_enough() -> None:
    assert len(set(KINDS)) == 24
    assert len(set(COLOURS)) == 12
    assert len(set(PLACES)) == 8


@given(seed=st.integers(0, 2**60))
def test_scenes_go_through_json_unchanged(seed: int) -> None:
    scene = sample_scene(seed, pairs=PAIRS, sign_rate=0.5)
    assert Scene.from_json(scene.to_json()) == scene
    assert Scene.from_dict(scene.to_dict()) == scene
    assert "\n" not in scene.to_json()


@given(seed=st.integers(0, 2**60))
def test_samples_are_repeatable_and_inside_the_picture(seed: int) -> None:
    scene = sample_scene(seed, pairs=PAIRS)
    assert scene == sample_scene(seed, pairs=PAIRS)
    assert 1 <= len(scene.things) <= MAX_THINGS
    for thing in scene.things:
        x0, y0, x1, y1 = thing.box
        assert min(x0, y0) > 0
        assert max(x1, y1) < 1
        assert x1 - x0 == pytest.approx(SIZES[thing.size])


def test_sampling_keeps_to_pairs_counts_and_sign_rate() -> None:
    for seed in range(50):
        scene = sample_scene(seed, pairs=[("cat", "red")], counts=[3], sign_rate=1.0)
        assert len(scene.things) == 3
        assert {(thing.kind, thing.colour) for thing in scene.things} == {("cat", "red")}
        assert all(thing.sign for thing in scene.things)
    assert not any(thing.sign for thing in sample_scene(1, pairs=PAIRS, sign_rate=0).things)


def test_rare_kinds_take_the_places_of_others_and_are_never_sampled() -> None:
    scene = sample_scene(3, pairs=[("cat", "red"), ("boat", "blue")], counts=[6])
    assert not {thing.kind for thing in scene.things} & set(RARE_KINDS)
    assert with_rare(scene, 0.0) == scene
    assert with_rare(scene, 0.5) == with_rare(scene, 0.5) != scene
    changed = with_rare(scene, 1.0)
    assert {thing.kind for thing in changed.things} == set(RARE_KINDS)
    assert [replace(thing, kind="cat") for thing in changed.things] == [
        replace(thing, kind="cat") for thing in scene.things
    ]


def test_reading_order_goes_by_rows() -> None:
    locations = ("on the right", "on the bottom-left", "on the top", "on the left", "on the top-left")
    scene = Scene(0, "sea", tuple(replace(CAT, location=name) for name in locations))
    assert [thing.location for thing in scene.reading_order] == [
        "on the top-left", "on the top", "on the left", "on the right", "on the bottom-left",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "cats"}, "unknown kind 'cats'; did you mean cat"),
        ({"colour": "grey"}, "unknown colour 'grey'; did you mean"),
        ({"pattern": "wavy"}, "unknown pattern 'wavy'"),
        ({"size": "huge"}, "unknown size 'huge'"),
        ({"location": "on the top left"}, "did you mean on the top-left"),
        ({"offset": "far"}, "unknown offset 'far'"),
        ({"pattern": "striped"}, "a striped thing with second colour None"),
        ({"second_colour": "blue"}, "a plain thing with second colour 'blue'"),
        ({"pattern": "striped", "second_colour": "mauve"}, "unknown second colour 'mauve'"),
        ({"pattern": "striped", "second_colour": "red"}, "both red"),
        ({"distance": 0}, "distance is 0; it must be > 0"),
        ({"sign": "ab"}, "sign 'ab'; allowed: 1-5 of"),
        ({"sign": "ABCDEF"}, "sign 'ABCDEF'"),
        ({"sign": ""}, "sign ''"),
        ({"sign": ["A", "B"]}, r"sign \['A', 'B'\]; allowed"),
    ],
)
def test_things_outside_the_vocabulary_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(CAT, **change)


def test_impossible_scenes_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown place 'moon'"):
        Scene(0, "moon", (CAT,))
    with pytest.raises(UsageError, match="0 things; a scene has 1 to 6"):
        Scene(0, "sea", ())
    with pytest.raises(UsageError, match="two things at one location"):
        Scene(0, "sea", (CAT, replace(CAT, kind="dog")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "invalid JSON"),
        ("[]", "no object"),
        ("{}", "'things'"),
        ('{"seed": 1, "place": "sea", "things": [{}]}', "missing"),
        ('{"seed": 1, "place": "sea", "things": [], "time": 3}', "unexpected keyword argument 'time'"),
    ],
)
def test_data_that_is_no_scene_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"not a scene: .*{message}"):
        Scene.from_json(text)
