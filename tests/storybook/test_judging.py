import numpy as np
import pytest
from PIL import Image

from gesso.storybook.judging import (
    CROP_MARGIN,
    CROP_SIDE,
    JUDGED,
    UNJUDGED,
    crop,
    empty_boxes,
    labels_of,
    overlap,
)
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scene_at

FISH = Thing("fish", "red", "striped", "blue", "small", "on the left", "no offset", 2.0)
TREE = Thing("tree", "green", "plain", None, "large", "on the right", "no offset", 3.0)


def answers(labels: tuple[int, ...]) -> list[str]:
    return [names[label] for names, label in zip(JUDGED.values(), labels, strict=True) if label != UNJUDGED]


def test_labels_say_what_a_thing_is() -> None:
    assert answers(labels_of(FISH)) == ["fish", "red", "striped", "blue"]
    assert answers(labels_of(TREE)) == ["tree", "green", "plain", "none"]
    assert answers(labels_of(None)) == ["nothing"]


def test_a_crop_shows_the_square_and_its_margin() -> None:
    columns, rows = np.meshgrid(np.arange(200), np.arange(200))
    picture = Image.fromarray(np.stack([columns, rows, rows * 0], -1).astype(np.uint8))
    shown = np.asarray(crop(picture, (0.4, 0.5, 0.6, 0.7)))
    assert shown.shape == (CROP_SIDE, CROP_SIDE, 3)
    margin = 200 * 0.2 * CROP_MARGIN
    left, right = shown[:, 0, 0].mean(), shown[:, -1, 0].mean()
    assert left == pytest.approx(80 - margin, abs=1.5)
    assert right == pytest.approx(120 + margin, abs=1.5)
    assert shown[0, :, 1].mean() == pytest.approx(100 - margin, abs=1.5)


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.2, 0.2), (0.85, 0.9, 1.05, 1.1), (-0.1, 0.3, 0.1, 0.5)])
def test_crops_stay_inside_the_picture(box: tuple[float, float, float, float]) -> None:
    picture = Image.new("RGB", (100, 100), "white")
    assert crop(picture, box).getextrema() == ((255, 255),) * 3


def test_empty_squares_are_free_of_things() -> None:
    for number in range(30):
        scene = scene_at("train", 2, number)
        found = empty_boxes(scene)
        assert len(found) <= 9 - len(scene.things)
        for box in found:
            assert all(0 <= value <= 1 for value in box)
            assert all(overlap(box, thing.box) <= 0.1 for thing in scene.things)
    assert len(empty_boxes(Scene(0, "sea", (FISH,)))) == 8


def test_overlap_is_the_covered_share() -> None:
    assert overlap((0, 0, 1, 1), (0.5, 0.5, 2, 2)) == 0.25
    assert overlap((0.5, 0.5, 2.5, 2.5), (0, 0, 1, 1)) == 0.0625
    assert overlap((0, 0, 1, 1), (1, 0, 2, 1)) == 0
