"""The pictures show what the scene says, and the maps say where."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gesso.core.errors import UsageError
from gesso.storybook import splits
from gesso.storybook.draw import boxes, draw, draw_with_map, masks, thing_map
from gesso.storybook.kinds import KIND_DRAWERS
from gesso.storybook.palette import BORDER_RGB, COLOUR_RGB
from gesso.storybook.places import PLACE_DRAWERS, backdrop
from gesso.storybook.scene import (
    COLOURS,
    KINDS,
    PATTERNS,
    PLACES,
    RARE_KINDS,
    SIZES,
    Scene,
    Thing,
    sample_scene,
)

SIZE = 96
PALETTE = np.array([COLOUR_RGB[name] for name in COLOURS], dtype=float)  # [12, 3]
SCENES = st.integers(0, 2**32).map(lambda seed: sample_scene(seed, pairs=splits.ALL_PAIRS))


def some_scenes(count: int) -> Iterator[Scene]:
    return islice(splits.scenes("train", 0), count)


def a_thing(kind: str = "cat", colour: str = "red", **more: object) -> Thing:
    """A large plain thing in the centre, unless told otherwise."""
    fields: dict[str, Any] = {
        "pattern": "plain",
        "second_colour": None,
        "size": "large",
        "location": "in the center",
        "offset": "no offset",
        "distance": 5.0,
    }
    return Thing(kind=kind, colour=colour, **(fields | more))


def painted(thing: Thing, *, seed: int = 1, place: str = "meadow", size: int = SIZE) -> NDArray[np.float64]:
    """The pixels of a thing alone in its scene, [pixels, 3]."""
    picture, numbers = draw_with_map(Scene(seed, place, (thing,)), size)
    return np.asarray(np.asarray(picture)[numbers == 1], dtype=float)


def colour_shares(pixels: NDArray[np.float64]) -> dict[str, float]:
    """Colour name -> share of the pixels that are nearest to it."""
    nearest = ((pixels[:, None] - PALETTE) ** 2).sum(-1).argmin(-1)  # [pixels]
    return {name: float((nearest == i).mean()) for i, name in enumerate(COLOURS)}


def pattern_marks(pattern: str, *, kind: str = "ball", seed: int = 1) -> NDArray[np.bool_]:
    """Where a blue thing's yellow marks lie, [SIZE, SIZE]."""
    second = None if pattern == "plain" else "yellow"
    scene = Scene(seed, "night", (a_thing(kind, "blue", pattern=pattern, second_colour=second),))
    picture, numbers = draw_with_map(scene, SIZE)
    rgb = np.asarray(picture).astype(int)
    return np.asarray((numbers == 1) & (rgb[..., 0] > 150) & (rgb[..., 2] < 120))


def test_every_kind_place_and_colour_of_the_world_can_be_drawn() -> None:
    assert set(KIND_DRAWERS) == {*KINDS, *RARE_KINDS}
    assert set(PLACE_DRAWERS) == set(PLACES)
    assert set(COLOUR_RGB) == set(COLOURS)


@pytest.mark.parametrize("size", [32, 33, 128, 300])
def test_pictures_and_maps_have_the_size_asked_for(size: int) -> None:
    scene = next(some_scenes(1))
    picture, numbers = draw_with_map(scene, size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))
    assert numbers.dtype == np.uint8
    assert numbers.shape == (size, size)
    assert masks(scene, size).shape == (len(scene.things), size, size)


@pytest.mark.parametrize("kind", [*KINDS, *RARE_KINDS])
def test_every_kind_can_be_drawn_at_every_small_size(kind: str) -> None:
    for size in range(32, 72):
        numbers = thing_map(Scene(size, "room", (a_thing(kind, size="small", sign="W8"),)), size)
        assert (numbers == 1).sum() > 9, size


@pytest.mark.parametrize("size", [-1, 0, 31, 2049])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"size {size}; pictures are 32 to 2048"):
        draw(next(some_scenes(1)), size)


@settings(max_examples=25, deadline=None)
@given(scene=SCENES, size=st.integers(32, 160))
def test_drawing_is_deterministic_and_one_pass_equals_two(scene: Scene, size: int) -> None:
    picture, numbers = draw_with_map(scene, size)
    assert picture.tobytes() == draw(Scene.from_json(scene.to_json()), size).tobytes()
    assert np.array_equal(numbers, thing_map(scene, size))


@settings(max_examples=25, deadline=None)
@given(scene=SCENES, size=st.integers(64, 160))
def test_masks_and_boxes_agree_with_the_map_and_lie_in_the_things_squares(scene: Scene, size: int) -> None:
    numbers = thing_map(scene, size)
    assert set(np.unique(numbers)) <= set(range(len(scene.things) + 1))
    for i, (thing, mask, box) in enumerate(
        zip(scene.things, masks(scene, size), boxes(scene, size), strict=True), 1
    ):
        assert np.array_equal(mask, numbers == i)
        assert mask.any()
        rows, columns = np.nonzero(mask)
        assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        square = [value * size for value in thing.box]
        assert box[0] >= square[0] - 1
        assert box[1] >= square[1] - 1
        assert box[2] <= square[2] + 1
        assert box[3] <= square[3] + 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_fills_its_square(kind: str) -> None:
    for size_name, side in SIZES.items():
        scene = Scene(3, "room", (a_thing(kind, size=size_name),))
        (x0, y0, x1, y1), mask = boxes(scene, SIZE)[0], masks(scene, SIZE)[0]
        assert max(x1 - x0, y1 - y0) > 0.8 * side * SIZE
        assert mask.sum() > 0.3 * (side * SIZE) ** 2


@pytest.mark.parametrize("colour", COLOURS)
def test_plain_things_of_every_kind_show_their_colour_before_all_others(colour: str) -> None:
    for kind in KINDS:
        for size_name in ("small", "large"):
            shares = colour_shares(painted(a_thing(kind, colour, size=size_name)))
            assert max(shares, key=shares.__getitem__) == colour, kind
            assert shares[colour] > 0.45, kind


def test_the_colours_are_far_apart() -> None:
    distances = np.linalg.norm(PALETTE[:, None] - PALETTE, axis=-1) + 1000 * np.eye(len(COLOURS))
    assert distances.min() > 60


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", PATTERNS[1:])
def test_patterned_things_show_both_colours_and_more_of_the_first(kind: str, pattern: str) -> None:
    for size_name in ("small", "large"):
        thing = a_thing(kind, "blue", pattern=pattern, second_colour="yellow", size=size_name)
        marks, plain = painted(thing), painted(replace(thing, pattern="plain", second_colour=None))
        shares, before = colour_shares(marks), colour_shares(plain)
        assert shares["yellow"] - before["yellow"] > 0.05
        assert shares["blue"] > 0.18
        assert shares["yellow"] < 0.5


@pytest.mark.parametrize("kind", ["ball", "turtle", "hat", "balloon"])
def test_patterns_differ_and_plain_has_no_marks(kind: str) -> None:
    marks = {pattern: pattern_marks(pattern, kind=kind) for pattern in PATTERNS}
    area = masks(Scene(1, "night", (a_thing(kind),)), SIZE)[0].sum()
    assert marks["plain"].sum() < 0.05 * area
    for one, other in (("striped", "dotted"), ("striped", "checked"), ("dotted", "checked")):
        assert (marks[one] ^ marks[other]).sum() > 0.15 * area


def test_another_seed_varies_the_thing_and_the_place_and_keeps_the_colour() -> None:
    things = [painted(a_thing("robot", "purple"), seed=seed) for seed in range(6)]
    assert len({pixels.tobytes() for pixels in things}) == 6
    for pixels in things:
        shares = colour_shares(pixels)
        assert max(shares, key=shares.__getitem__) == "purple"
    assert backdrop("city", 1, SIZE).tobytes() != backdrop("city", 2, SIZE).tobytes()


@pytest.mark.parametrize(
    "change", [{"colour": "green"}, {"kind": "castle"}, {"sign": "A1"}, {"size": "small"}]
)
def test_editing_one_thing_leaves_the_others_as_they_are(change: dict[str, Any]) -> None:
    still = a_thing("dog", "blue", location="on the bottom-right", pattern="dotted", second_colour="pink")
    edited = a_thing("cat", location="on the top-left")
    before = Scene(9, "beach", (edited, still))
    after = Scene(9, "beach", (replace(edited, **change), still))
    old, new = (np.asarray(draw(scene, SIZE)) for scene in (before, after))
    assert not np.array_equal(old, new)
    assert np.array_equal(old[SIZE // 2 :], new[SIZE // 2 :])


def test_a_colour_edit_keeps_the_shape() -> None:
    red, blue = (Scene(9, "sea", (a_thing("snail", colour),)) for colour in ("red", "blue"))
    assert np.array_equal(thing_map(red, SIZE), thing_map(blue, SIZE))


def test_the_nearer_thing_covers_the_farther_one() -> None:
    near = a_thing("ball", "red", location="in the center", offset="slightly to the left", distance=1.0)
    far = a_thing("ball", "blue", location="on the left", offset="slightly to the right", distance=9.0)
    for first, second in ((near, far), (far, near)):
        things = replace(first, distance=1.0), replace(second, distance=9.0)
        alone = [masks(Scene(4, "room", (thing,)), SIZE)[0] for thing in things]
        front, back = masks(Scene(4, "room", things), SIZE)
        assert (alone[0] & alone[1]).any()
        assert np.array_equal(front, alone[0])
        assert np.array_equal(back & alone[0], np.zeros_like(back))
        assert back.sum() < alone[1].sum()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("colour", ["black", "white"])
def test_things_stand_out_from_every_place_by_their_paper_edge(place: str, colour: str) -> None:
    scene = Scene(2, place, (a_thing("ball", colour),))
    rgb, mask = np.asarray(draw(scene, 256)).astype(int), masks(scene, 256)[0]
    x0, y0, x1, y1 = boxes(scene, 256)[0]
    middle = (x0 + x1) // 2
    assert np.abs(rgb[y0 - 2, middle] - BORDER_RGB).sum() < 60
    assert mask[(y0 + y1) // 2, middle]
    # Below lies the shadow: darker than the same spot of the empty place.
    below = np.asarray(backdrop(place, 2, 256)).astype(int)[y1 + 4, middle] - rgb[y1 + 4, middle]
    assert below.sum() > 10


@pytest.mark.parametrize("text", ["A", "7", "W0", "MMMMM", "1AB2C"])
@pytest.mark.parametrize("size_name", SIZES)
def test_a_sign_is_part_of_its_thing_and_hides_little_of_it(text: str, size_name: str) -> None:
    bare, signed = (
        Scene(5, "snow", (a_thing("ball", "green", size=size_name, sign=sign),)) for sign in (None, text)
    )
    pixels = np.asarray(draw(signed, 256))[masks(signed, 256)[0]].astype(float)
    shares = colour_shares(pixels)
    assert shares["black"] > 0.005
    assert shares["green"] > 0.6
    x0, y0, x1, y1 = (value * 256 for value in signed.things[0].box)
    left, top, right, bottom = boxes(signed, 256)[0]
    assert x0 - 1 <= left <= right <= x1 + 1
    assert y0 - 1 <= top <= bottom <= y1 + 1
    assert bottom > boxes(bare, 256)[0][3] - 0.1 * (y1 - y0)


def test_signs_tell_letters_apart_at_256_pixels_and_hardly_at_64() -> None:
    def difference(size: int) -> float:
        one, other = (
            np.asarray(draw(Scene(5, "room", (a_thing("car", size="small", sign=sign),)), size)).astype(float)
            for sign in ("8MQ", "BNO")
        )
        return float((np.abs(one - other).max(-1) > 100).sum())

    assert difference(256) > 12
    assert difference(64) <= 2


def test_large_pictures_show_the_same_as_small_ones() -> None:
    for scene in some_scenes(4):
        small, large = draw(scene, 128), draw(scene, 640).resize((128, 128), Image.Resampling.BOX)
        difference = np.abs(np.asarray(small).astype(float) - np.asarray(large))
        assert difference.mean() < 4  # only edges differ
