from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gesso.core.errors import TrainingError
from gesso.storybook.draw import draw, thing_map
from gesso.storybook.scene import RARE_KINDS
from gesso.storybook.splits import scene_at, split_of
from gesso.train import pictures
from gesso.train.pictures import BACKGROUND, PictureStore, thing_grid


def open_store(folder: Path, **changes: Any) -> PictureStore:
    return PictureStore(folder, **{"seed": 1, "count": 6, "size": 48, "patch": 8, **changes})


def forbid_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("drawn again")

    monkeypatch.setattr(pictures, "draw_with_map", fail)


def test_pictures_are_those_of_the_training_split(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for index in (0, 5):
        scene = scene_at("train", 1, index)
        assert store.scene(index) == scene
        assert split_of(scene) == "train"
        assert np.array_equal(store.pixels(index), np.asarray(draw(scene, 48)))
        assert np.array_equal(store.grid(index), thing_grid(thing_map(scene, 48), 8))


def test_rare_kinds_are_drawn_and_cached_apart(tmp_path: Path) -> None:
    plain, rare = open_store(tmp_path), open_store(tmp_path, rare=1.0)
    assert {thing.kind for thing in rare.scene(0).things} == set(RARE_KINDS)
    assert not np.array_equal(plain.pixels(0), rare.pixels(0))
    assert np.array_equal(rare.pixels(0), np.asarray(draw(rare.scene(0), 48)))


def test_things_stand_right_at_their_locations_where_that_is_asked_for(tmp_path: Path) -> None:
    usual, placed = open_store(tmp_path), open_store(tmp_path, offsets=False)
    assert {thing.offset for i in range(6) for thing in usual.scene(i).things} > {"no offset"}
    assert {thing.offset for i in range(6) for thing in placed.scene(i).things} == {"no offset"}
    assert {split_of(placed.scene(i)) for i in range(6)} == {"train"}
    assert not np.array_equal(usual.pixels(0), placed.pixels(0))  # cached apart


@pytest.mark.parametrize("things", [0, 7])
def test_scenes_hold_one_to_six_things(tmp_path: Path, things: int) -> None:
    with pytest.raises(TrainingError, match=rf"data\.things is {things}; a scene holds 1 to 6"):
        open_store(tmp_path, things=things)


def test_scenes_hold_as_many_things_as_asked_for(tmp_path: Path) -> None:
    most = [
        max(len(open_store(tmp_path, things=things).scene(index).things) for index in range(6))
        for things in (1, 2, 6)
    ]
    assert most[0] == 1
    assert most[1] == 2
    assert most[2] > 2


def test_a_picture_is_drawn_once_for_all_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_store(tmp_path)
    pixels, grid = first.pixels(3).copy(), first.grid(3).copy()
    second = open_store(tmp_path)
    forbid_drawing(monkeypatch)
    for store in (first, second):
        assert np.array_equal(store.pixels(3), pixels)
        assert np.array_equal(store.grid(3), grid)
    with pytest.raises(RuntimeError, match="drawn again"):
        second.pixels(4)


def test_an_interrupted_drawing_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path)
    with monkeypatch.context() as patch:
        patch.delattr(pictures, "thing_grid")
        with pytest.raises(NameError):
            store.pixels(2)
    assert np.array_equal(open_store(tmp_path).grid(2), thing_grid(thing_map(scene_at("train", 1, 2), 48), 8))


def test_processes_that_start_together_share_their_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_store(tmp_path)
    pixels = first.pixels(0).copy()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda path: False)  # as the second saw it before the first was done
        second = open_store(tmp_path)
    forbid_drawing(monkeypatch)
    assert np.array_equal(second.pixels(0), pixels)


@pytest.mark.parametrize("change", [{"seed": 2}, {"size": 64}, {"patch": 16}, {"things": 1}])
def test_other_settings_have_pictures_of_their_own(tmp_path: Path, change: dict[str, int]) -> None:
    before = open_store(tmp_path).grid(0).copy()
    assert not np.array_equal(open_store(tmp_path, **change).grid(0), before)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_size_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="pictures of 50 px do not divide into patches of 8 px"):
        open_store(tmp_path, size=50)


def test_a_patch_belongs_to_the_thing_that_covers_most_of_it() -> None:
    patches = {
        (0, 0): [0] * 16,  # background alone
        (0, 1): [3] * 3 + [0] * 13,  # less than a quarter
        (0, 2): [3] * 4 + [0] * 12,  # a quarter
        (1, 0): [1] * 2 + [2] * 3 + [0] * 11,  # two things together
        (1, 1): [5] * 16,
        (1, 2): [1] * 2 + [2] * 1 + [0] * 13,  # two things, together too little
        (2, 0): [2] * 7 + [4] * 9,
        (2, 1): [4] * 8 + [2] * 8,  # a tie goes to the first thing
        (2, 2): [6] * 4 + [5] * 4 + [4] * 5 + [0] * 3,
    }
    things = np.zeros((12, 12), np.uint8)
    for (row, column), values in patches.items():
        things[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = np.reshape(values, (4, 4))
    assert thing_grid(things, 4).tolist() == [[0, 0, 3], [2, 5, 0], [4, 2, 4]]


def test_a_map_without_things_is_all_background() -> None:
    assert (thing_grid(np.zeros((16, 16), np.uint8), 8) == BACKGROUND).all()
