"""How rows of a batch read texts with places: by scores, or each text by itself and blended.

Keys and values of a text do not change over the steps of a picture, so each object computes them once per
layer and keeps them; the objects live as long as the picture does.

Letters: N rows, R rows of text, P positions, L tokens of all regions, H heads, d channels of a head.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional

from gesso.diffusion.attention import keys_values
from gesso.diffusion.conditions import SHOWN, TextRegion

__all__ = ["BlendedReading", "ScoreReading", "Visible", "fit_mask"]


def fit_mask(mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """A mask [rows, columns] at the size of a feature map, by the nearest cell's centre: [height, width]."""
    return functional.interpolate(mask[None, None], size=shape, mode="nearest-exact")[0, 0]


class Visible(NamedTuple):
    """What there is to see at one resolution.

    tokens: [L], numbers of the tokens that are seen anywhere.
    scale: [L], factor on the scores of each.
    seen: [P, L], where each is seen; None if all are seen everywhere.
    """

    tokens: Tensor
    scale: Tensor
    seen: Tensor | None


class ScoreReading:
    """Every position attends to the tokens of all regions that lie over it, in one softmax.

    Scores of a region's tokens are multiplied by the share of the map that the region leaves free, so a
    small region speaks louder: s_r = P / sum(mask_r), softmax(s q k / sqrt(d)). The factor depends on the
    token alone, so it is put into the keys. Source: `lib_omost/pipeline.py` of lllyasviel/Omost at 731e749,
    whose score of a region that is empty at some resolution is infinite; here its tokens are left out
    there.

    Args:
        regions: the texts and their places; some region must lie over every position.
        copies: rows of the batch that read the same text, next to each other.
        keep: keep keys and values of each layer for the next step; costs memory, saves time.
    """

    def __init__(self, regions: Sequence[TextRegion], copies: int = 1, *, keep: bool = True) -> None:
        self._states = torch.cat([region.states for region in regions], dim=1)  # [R, L, D]
        self._masks = [region.mask for region in regions]
        self._lengths = [region.states.shape[1] for region in regions]
        self._copies = copies
        self._keep = keep
        self._layers: dict[Attention, tuple[Tensor, Tensor]] = {}
        self._shapes: dict[tuple[int, int], Visible] = {}
        self.rows = copies * len(self._states)
        self.preview = _repeat(regions[0].states, copies)

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        """See `TextAttention.attend`."""
        seen = self.visible(shape).seen
        keys, values = self.keys_values(attn, shape)
        mask = None if seen is None else seen[None, None]  # [1, 1, P, L]
        return functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=attn.scale)

    def keys_values(self, attn: Attention, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Scaled keys, and values, of a layer for every row: [N, H, L, d]."""
        if attn not in self._layers:
            visible = self.visible(shape)
            # what is kept must not carry the gradient of one step into the next
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self._keep):
                keys, values = keys_values(attn, self._states[:, visible.tokens])
                keys = keys * visible.scale.to(keys)[:, None]  # [R, H, L, d] * [L, 1]
            made = _repeat(keys, self._copies), _repeat(values, self._copies)
            if not self._keep:
                return made
            self._layers[attn] = made
        return self._layers[attn]

    def visible(self, shape: tuple[int, int]) -> Visible:
        """What there is to see at the size of a feature map."""
        if shape not in self._shapes:
            self._shapes[shape] = _look(self._masks, self._lengths, shape)
        return self._shapes[shape]


class BlendedReading:
    """Every region is attended to by itself where it lies, and the results are blended by the masks.

    y(p) = sum_r w_r(p) softmax(q k_r) v_r / sum_r w_r(p). Source: "attention decomposition" in the README of
    lllyasviel/Omost at 731e749, which leaves the weights open.

    Args:
        regions: the texts and their places; the first covers the whole canvas.
        copies: as in `ScoreReading`.
        base: weight of the first region where others lie over it, as a share of theirs; above 0.
        keep: as in `ScoreReading`.
    """

    def __init__(
        self, regions: Sequence[TextRegion], copies: int = 1, *, base: float = 0.3, keep: bool = True
    ) -> None:
        self._regions = regions
        self._copies = copies
        self._base = base
        self._keep = keep
        self._layers: dict[tuple[Attention, int], tuple[Tensor, Tensor]] = {}
        self._shapes: dict[tuple[int, int], Tensor] = {}
        self.rows = copies * len(regions[0].states)
        self.preview = _repeat(regions[0].states, copies)

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        """See `TextAttention.attend`."""
        total = torch.zeros_like(query)
        for number, weights in enumerate(self._weights(shape)):
            places = weights.nonzero().flatten()
            if not len(places):
                continue
            keys, values = self._keys_values(attn, number)
            read = functional.scaled_dot_product_attention(
                query[:, :, places], keys, values, scale=attn.scale
            )
            total[:, :, places] += read * weights[places, None].to(read)  # [N, H, p, d] * [p, 1]
        return total

    def _keys_values(self, attn: Attention, number: int) -> tuple[Tensor, Tensor]:
        if (attn, number) in self._layers:
            return self._layers[attn, number]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._keep):
            keys, values = keys_values(attn, self._regions[number].states)
        made = _repeat(keys, self._copies), _repeat(values, self._copies)
        if self._keep:
            self._layers[attn, number] = made
        return made

    def _weights(self, shape: tuple[int, int]) -> Tensor:
        """Shares of the regions at each position, [regions, P]."""
        if shape not in self._shapes:
            masks = torch.stack([fit_mask(region.mask, shape).flatten() for region in self._regions])
            masks[0] *= self._base
            self._shapes[shape] = masks / masks.sum(dim=0)
        return self._shapes[shape]


def _look(masks: Sequence[Tensor], lengths: Sequence[int], shape: tuple[int, int]) -> Visible:
    tokens, scales, seen = zip(*_regions_at(masks, lengths, shape), strict=True)
    together = torch.cat(seen, dim=1)  # [P, L]
    whole = bool(together.all())
    return Visible(torch.cat(tokens), torch.cat(scales), None if whole else together)


def _regions_at(
    masks: Sequence[Tensor], lengths: Sequence[int], shape: tuple[int, int]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Numbers [l], factors [l] and places [P, l] of the tokens of each region that has a place at all."""
    start = 0
    for mask, length in zip(masks, lengths, strict=True):
        fitted = fit_mask(mask, shape).flatten()  # [P]
        shown = fitted > SHOWN
        if bool(shown.any()):
            tokens = torch.arange(start, start + length, device=mask.device)
            scale = (fitted.numel() / fitted.sum()).expand(length)
            yield tokens, scale, shown[:, None].expand(-1, length)
        start += length


def _repeat(rows: Tensor, copies: int) -> Tensor:
    """Each row so many times, next to each other: [R, ...] -> [R * copies, ...]."""
    if copies == 1:
        return rows
    return rows[:, None].expand(-1, copies, *rows.shape[1:]).flatten(0, 1)  # no memory if R is 1
