"""Features of pictures and sounds, kept by what they show, so that one seen before is not encoded again.

The cache of keys and values (`engines.kv`) helps while one conversation goes on. This one helps across
conversations and requests: the same picture asked about anew, or one picture in many requests of a batch.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from hashlib import sha256
from threading import Lock
from typing import Any, Final

import torch
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.models.base import ImageTiles, SoundClip

__all__ = ["MEBIBYTE", "FeatureMemory", "media_digest"]

MEBIBYTE: Final = 2**20


def media_digest(item: ImageTiles | SoundClip) -> Hashable:
    """What tells a picture or sound, as a model takes it, from all others."""
    # by content: the next turn brings another object. A size decides which rows are unpadded
    if isinstance(item, ImageTiles):
        return _digest(item.pixels), item.size
    return _digest(item.features), item.frames


class FeatureMemory:
    """The features used last, within a budget of bytes; threads may share it.

    Args:
        budget: bytes of features that are kept; 0 keeps none.
    """

    def __init__(self, budget: int) -> None:
        if budget < 0:
            raise UsageError(f"a budget of {budget} bytes for features; it must be at least 0")
        self._budget = budget
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._lock = Lock()
        self.used = 0
        self.hits = self.misses = 0

    def recall(
        self,
        items: Sequence[Any],
        make: Callable[[Sequence[Any]], list[Tensor]],
    ) -> list[Tensor]:
        """Features of all items, [N_i, D] each; only those that are not kept are made, in one call.

        Args:
            items: pictures or sounds; the same one may come several times.
            make: encodes some of them.
        """
        keys = [media_digest(item) for item in items]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in found}
        self.hits += len(keys) - len(new)
        self.misses += len(new)
        if new:
            made = dict(zip(new, make(list(new.values())), strict=True))
            found |= made
            self._keep(made)
        return [found[key] for key in keys]

    def _keep(self, made: dict[Hashable, Tensor]) -> None:
        with self._lock:
            for key, features in made.items():
                if key not in self._kept and _size(features) <= self._budget:
                    # a copy: the features may be a view of a whole batch's, which would stay as long
                    self._kept[key] = features.detach().clone()
                    self.used += _size(features)
            while self.used > self._budget:
                _, oldest = self._kept.popitem(last=False)
                self.used -= _size(oldest)


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _digest(content: Tensor) -> str:
    numbers = content.detach().cpu().contiguous().view(torch.uint8)
    return sha256(numbers.numpy().data).hexdigest()
