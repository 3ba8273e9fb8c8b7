"""What the storybook tasks have in common: splits that nobody learned from, and samples in groups."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from gesso.core.errors import UnknownNameError, UsageError
from gesso.storybook.scene import Scene

__all__ = ["FRESH_SPLITS", "groups", "require_fresh", "things_in"]

FRESH_SPLITS: Final = ("val", "test", "novel")

T = TypeVar("T")


def require_fresh(split: str) -> None:
    """Refuse training data, and what the storybook does not have.

    Raises:
        UsageError: the split is "train".
        UnknownNameError: there is no such split.
    """
    if split == "train":
        raise UsageError("split 'train' is what the minis learned from, so it cannot tell what they can; "
                         f"allowed: {', '.join(FRESH_SPLITS)}")  # fmt: skip
    if split not in FRESH_SPLITS:
        raise UnknownNameError("split", split, FRESH_SPLITS)


def things_in(scene: Scene) -> str:
    """How many things a scene has, as reports say it."""
    count = len(scene.things)
    return "1 thing" if count == 1 else f"{count} things"


def groups(items: Iterator[T] | Sequence[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
