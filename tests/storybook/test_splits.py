from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from gesso.core.errors import UnknownNameError
from gesso.storybook.scene import COLOURS, KINDS
from gesso.storybook.splits import NOVEL_PAIRS, SPLITS, TRAIN_PAIRS, scenes, split_of


def test_a_tenth_of_the_pairs_is_held_out() -> None:
    assert len(NOVEL_PAIRS) == 29
    assert len(NOVEL_PAIRS) + len(TRAIN_PAIRS) == len(KINDS) * len(COLOURS)
    assert not NOVEL_PAIRS & set(TRAIN_PAIRS)
    assert {kind for kind, _ in NOVEL_PAIRS} == set(KINDS)
    assert {colour for _, colour in NOVEL_PAIRS} == set(COLOURS)


def test_splits_are_disjoint() -> None:
    contents = {
        split: {(scene.place, frozenset(scene.things)) for scene in islice(scenes(split, 3), 300)}
        for split in SPLITS
    }
    for split, own in contents.items():
        for other, theirs in contents.items():
            assert split == other or not own & theirs


@pytest.mark.parametrize("split", SPLITS)
def test_streams_give_scenes_of_their_split_repeatably(split: str) -> None:
    first = list(islice(scenes(split, 5), 50))
    assert first == list(islice(scenes(split, 5), 50))
    assert first != list(islice(scenes(split, 6), 50))
    assert {split_of(scene) for scene in first} == {split}


def test_held_out_pairs_are_in_novel_scenes_only() -> None:
    for split in SPLITS:
        for scene in islice(scenes(split, 9), 200):
            novel = any((thing.kind, thing.colour) in NOVEL_PAIRS for thing in scene.things)
            assert novel == (split == "novel")


def test_the_seed_does_not_move_a_scene_to_another_split() -> None:
    for scene in islice(scenes("test", 1), 20):
        assert split_of(replace(scene, seed=scene.seed + 1)) == "test"


def test_sampling_options_reach_the_scenes() -> None:
    numbers = Counter(len(scene.things) for scene in islice(scenes("train", 1, counts=[2]), 20))
    assert numbers == {2: 20}


def test_unknown_splits_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown split 'dev'"):
        next(scenes("dev", 1))
