"""Which scenes belong to training, validation, test and novel.

Train, val and test are told apart by a hash of what a scene shows, so no scene can be in two of them.
A tenth of the (kind, colour) pairs is held out of all three: every `novel` scene has at least one of them,
no other scene has any.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from typing import Any, Final

from gesso.core.errors import UnknownNameError
from gesso.storybook.scene import COLOURS, KINDS, Scene, sample_scene

__all__ = ["NOVEL_PAIRS", "SPLITS", "TRAIN_PAIRS", "scene_at", "scenes", "split_of"]

SPLITS: Final = ("train", "val", "test", "novel")


def _novel_pairs() -> frozenset[tuple[str, str]]:
    """One colour per kind, every colour twice, and five more: 29 of the 288 pairs."""
    # steps of five visit all twelve colours (5 and 12 share no factor); the second twelve kinds start one on
    pairs = {(kind, COLOURS[(5 * i + i // 12) % 12]) for i, kind in enumerate(KINDS)}
    extra = {(KINDS[i], COLOURS[(i + 7) % 12]) for i in range(1, 25, 5)}
    return frozenset(pairs | extra)


NOVEL_PAIRS: Final = _novel_pairs()
ALL_PAIRS: Final = tuple((kind, colour) for kind in KINDS for colour in COLOURS)
TRAIN_PAIRS: Final = tuple(pair for pair in ALL_PAIRS if pair not in NOVEL_PAIRS)


def split_of(scene: Scene) -> str:
    """The one split a scene belongs to, from what it shows (its seed does not matter)."""
    if any((thing.kind, thing.colour) in NOVEL_PAIRS for thing in scene.things):
        return "novel"
    # the seed varies shapes only: two scenes that differ in it alone look too much alike for two splits
    content = {key: value for key, value in scene.to_dict().items() if key != "seed"}
    digest = blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).digest()
    # five per cent each for test and val
    bucket = int.from_bytes(digest, "big") % 20
    return {0: "test", 1: "val"}.get(bucket, "train")


def scene_at(split: str, seed: int, number: int, **sampling: Any) -> Scene:
    """Scene `number` of a split's endless stream, the same one for the same arguments.

    Args:
        split: one of `SPLITS`.
        seed: which stream.
        number: position in the stream, from 0.
        sampling: passed on to `sample_scene` (`counts`, `sign_rate`, `offsets`).
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    pairs = ALL_PAIRS if split == "novel" else TRAIN_PAIRS
    # draws until a scene falls into the split: some twenty times for test and val, once or twice for train
    for attempt in count():
        # a seed of its own for each scene: number 10000 needs none of those before it. Six bytes, as readers
        # of JSON hold whole numbers exactly up to 2^53
        digest = blake2b(f"{split}/{seed}/{number}/{attempt}".encode(), digest_size=6).digest()
        scene = sample_scene(int.from_bytes(digest, "big"), pairs=pairs, **sampling)
        if split_of(scene) == split:
            break
    return scene


def scenes(split: str, seed: int, **sampling: Any) -> Iterator[Scene]:
    """The endless stream of scenes of a split; arguments as in `scene_at`."""
    return (scene_at(split, seed, number, **sampling) for number in count())
