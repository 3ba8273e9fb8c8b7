"""Subjects for a whole batch at once, a different one in each row, as training needs them.

The painter reads one subject for all its rows (`gesso.diffusion.subject_reading`); the numbers are the same.

Letters: B rows, H heads, P positions, S those inside the largest mask, L text tokens, T picture tokens,
D width of states, d channels of a head, h x w the size of a latent.
"""

from collections.abc import Mapping

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional

from gesso.diffusion.attention import keys_values
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_reading import stretch

__all__ = ["RawMemory", "RowMemory", "RowReading", "TextReading"]


class RawMemory:
    """Notes every layer's own keys and values [B, H, P, d] of a reference pass; adds nothing."""

    def __init__(self) -> None:
        self.layers: dict[Attention, tuple[Tensor, Tensor, tuple[int, int]]] = {}

    def beside(
        self, attn: Attention, query: Tensor, keys: Tensor, values: Tensor, shape: tuple[int, int]
    ) -> None:
        """See `SelfReader.beside`."""
        self.layers[attn] = keys, values, shape


class RowMemory:
    """Each row's own reference in self-attention, hidden outside its mask.

    Args:
        layers: of `RawMemory`.
        masks: [B, rows, columns], true where the reference's subject is.
        weights: [B, h, w], where and how much the reference counts in the new picture.
        adapter: learns.
    """

    def __init__(
        self,
        layers: Mapping[Attention, tuple[Tensor, Tensor, tuple[int, int]]],
        masks: Tensor,
        weights: Tensor,
        adapter: SubjectAdapter,
    ) -> None:
        self._layers, self._masks, self._weights, self._adapter = layers, masks, weights, adapter
        self._inside: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def beside(
        self, attn: Attention, query: Tensor, keys: Tensor, values: Tensor, shape: tuple[int, int]
    ) -> Tensor | None:
        """See `SelfReader.beside`."""
        layer = self._adapter.reference(attn)
        if layer is None:
            return None
        own_keys, own_values, own_shape = self._layers[attn]
        if own_shape not in self._inside:
            self._inside[own_shape] = _gathering(_inside(self._masks, own_shape))
        positions, filled = self._inside[own_shape]
        # [B, H, P, d] -> [B, H, S, d]: a subject covers a small part of its picture
        kept_keys, kept_values = layer(attn, _at(own_keys, positions), _at(own_values, positions))
        scores = (query @ kept_keys.transpose(2, 3)) * attn.scale  # [B, H, P, S]
        read = scores.masked_fill(~filled[:, None, None], -torch.inf).softmax(dim=-1) @ kept_values
        added: Tensor = read * layer.scale_learnable * stretch(self._weights, shape).to(read)
        return added


class RowReading:
    """Each row's own text, and picture tokens beside it; a `TextAttention`.

    Args:
        states: [B, L, D].
        tokens: [B, T, D].
        weights: [B, h, w], where the picture tokens count.
        adapter: learns.
    """

    def __init__(self, states: Tensor, tokens: Tensor, weights: Tensor, adapter: SubjectAdapter) -> None:
        self.rows, self.preview = len(states), states
        self._tokens, self._weights, self._adapter = tokens, weights, adapter

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        """See `TextAttention.attend`."""
        read = _plain(attn, query, *keys_values(attn, self.preview))
        seen = _plain(attn, query, *self._adapter.pictures(attn)(attn, self._tokens))
        return read + seen * stretch(self._weights, shape).to(seen)


class TextReading:
    """Each row's own text and nothing beside it; a `TextAttention` of states [B, L, D]."""

    def __init__(self, states: Tensor) -> None:
        self.rows, self.preview = len(states), states

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        """See `TextAttention.attend`."""
        return _plain(attn, query, *keys_values(attn, self.preview))


def _plain(attn: Attention, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    # multiplied out: on a CPU torch's fused attention takes longer backwards
    read: Tensor = ((query @ keys.transpose(2, 3)) * attn.scale).softmax(dim=-1) @ values
    return read


def _inside(masks: Tensor, shape: tuple[int, int]) -> Tensor:
    """Masks at the size of a feature map, [B, P]: the nearest pixel, or any touch where none is met."""
    grids = masks[:, None].float()
    nearest = functional.interpolate(grids, size=shape, mode="nearest").flatten(1) > 0
    touched = functional.adaptive_max_pool2d(grids, shape).flatten(1) > 0
    return torch.where(nearest.any(dim=1, keepdim=True), nearest, touched)


def _gathering(inside: Tensor) -> tuple[Tensor, Tensor]:
    """Positions [B, S] of what is inside [B, P] in each row, and which of them are no filling [B, S]."""
    counts = inside.sum(dim=1)
    # true before false, each in order
    positions = inside.long().argsort(dim=1, descending=True, stable=True)[:, : int(counts.max())]
    return positions, torch.arange(positions.shape[1], device=inside.device) < counts[:, None]


def _at(states: Tensor, positions: Tensor) -> Tensor:
    """[B, H, P, d] at each row's positions [B, S] -> [B, H, S, d]."""
    return states.take_along_dim(positions[:, None, :, None], dim=2)
