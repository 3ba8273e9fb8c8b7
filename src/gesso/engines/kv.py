"""Key/value caches of decoding: appended to in place, cut back, thinned out by rows."""

from typing import Any, Final

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

__all__ = ["GrowingLayer", "can_crop", "crop", "keep_rows", "new_cache"]

ROOM: Final = 256
"""Spare positions that a layer makes room for at a time."""


class GrowingLayer(DynamicLayer):  # its __init_subclass__ has no types
    """One layer's keys and values, [B, H, L, D] each, appended to in place.

    transformers' own dynamic layer copies everything it holds at each token; this one writes new positions
    into spare room and copies only when the room is used up.
    """

    _stores: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append positions, [B, H, N, D] each; returns all of them, as views."""
        # transformers learns dtype and device from the first states it sees
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        stores = self._stores
        if stores is None or end > stores[0].shape[2]:
            stores = (_enlarged(self.keys, key_states, end), _enlarged(self.values, value_states, end))
        # [B, H, L, D] <- [B, H, N, D] from `start` on
        for store, states in zip(stores, (key_states, value_states), strict=True):
            store[:, :, start:end] = states
        return self._show(stores, end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only the rows of the batch that `indices` [K] names."""
        if self._stores is not None:
            # [B, H, L, D] -> [K, H, L, D], room included
            keys, values = self._stores
            self._show((keys[indices], values[indices]), self.get_seq_length())

    def _show(self, stores: tuple[Tensor, Tensor], length: int) -> tuple[Tensor, Tensor]:
        """Make the first `length` positions what the layer holds."""
        self._stores = stores
        # views, so that attention reads what was written without a copy
        self.keys, self.values = stores[0][:, :, :length], stores[1][:, :, :length]  # [B, H, L, D]
        return self.keys, self.values


def new_cache(config: PreTrainedConfig) -> Cache:
    """An empty cache for a language model; models with sliding windows get transformers' own kind."""
    cache = DynamicCache(config=config)
    # exactly this type: layers with sliding windows and others are subclasses that forget on purpose
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        return Cache(layer_class_to_replicate=GrowingLayer)
    return cache


def can_crop(cache: Cache) -> bool:
    """Whether every position is still held; sliding windows drop the oldest ones."""
    return not any(cache.is_sliding)


def crop(cache: Cache, length: int) -> None:
    """Forget every position from `length` on."""
    # transformers takes the number of positions to forget, and that below 0
    cache.crop(length - cache.get_seq_length())


def keep_rows(cache: Cache, rows: Tensor) -> None:
    """Keep only the rows of the batch that `rows` [K] names."""
    cache.batch_select_indices(rows)


def _enlarged(held: Tensor | None, states: Tensor, length: int) -> Tensor:
    """A store with room beyond `length` positions that begins with what is held."""
    batch, heads, _, width = states.shape
    # what lies behind the held positions is never read before it is written
    store = torch.empty(batch, heads, length + ROOM, width, dtype=states.dtype, device=states.device)
    if held is not None and held.numel():
        store[:, :, : held.shape[2]] = held
    return store
