"""How rows of a batch look at subjects: picture tokens beside the text, reference features beside themselves.

Where a subject counts follows from the picture itself: the attention that its noun got in the step before
(MoMA, arXiv 2404.05674, section 3.3; bytedance/MoMA at 1748535).

Letters: N rows, H heads, P positions, L text tokens, T picture tokens, d channels of a head, S positions
inside a reference's mask, h x w the size of a latent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional

from gesso.diffusion.reading import ScoreReading
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subjects import SubjectFeatures

__all__ = ["Look", "ReferenceMemory", "SubjectReading", "merge_maps", "stretch"]

FAINT = 0.2
"""Values of a merged map up to this become 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How one branch of the guidance looks at one subject.

    Attributes:
        tokens: [1, T, D], picture tokens.
        positions: [n], where the branch's text names it; empty to draw no map.
        scale: how much the picture tokens count.
    """

    tokens: Tensor
    positions: Tensor
    scale: float = 1.0


class SubjectReading:
    """A text, and picture tokens of subjects beside it: y = softmax(q K) V + sum_s m_s softmax(q K_s) V_s.

    Args:
        text: how the rows read their text.
        looks: the subjects.
        adapter: has keys and values for picture tokens.
    """

    def __init__(self, text: ScoreReading, looks: Sequence[Look], adapter: SubjectAdapter) -> None:
        self._text = text
        self._looks = looks
        self._adapter = adapter
        self._layers: dict[tuple[Attention, int], tuple[Tensor, Tensor]] = {}
        self.rows = text.rows
        self.preview = text.preview
        self.weights: list[Tensor | None] = [None] * len(looks)
        """[N, h, w] or [1, h, w]: where each subject counts in this step; None is everywhere."""
        self.maps: list[list[Tensor]] = [[] for _ in looks]
        """Each layer's map [N, height, width] of each subject, in 0..1, since `clear`."""

    def clear(self) -> None:
        """Forget the maps of a step."""
        self.maps = [[] for _ in self._looks]

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        """See `TextAttention.attend`."""
        visible = self._text.visible(shape)
        keys, values = self._text.keys_values(attn, shape)
        # multiplied out: fused attention does not give the probabilities, of which maps are made
        scores = (query * attn.scale) @ keys.transpose(2, 3)  # [N, H, P, L]
        if visible.seen is not None:
            scores = scores.masked_fill(~visible.seen, float("-inf"))
        probabilities = scores.softmax(dim=-1)
        read: Tensor = probabilities @ values
        for number, look in enumerate(self._looks):
            named = torch.isin(visible.tokens, look.positions)  # [L]
            if bool(named.any()):
                self.maps[number].append(_map(probabilities, named, shape))
            read = read + self._seen(attn, query, number, shape)
        return read

    def _seen(self, attn: Attention, query: Tensor, number: int, shape: tuple[int, int]) -> Tensor:
        """What a subject's picture tokens add, [N, H, P, d]."""
        look = self._looks[number]
        if (attn, number) not in self._layers:
            self._layers[attn, number] = self._adapter.pictures(attn)(attn, look.tokens)  # [1, H, T, d]
        keys, values = (each.expand(len(query), -1, -1, -1) for each in self._layers[attn, number])
        seen = functional.scaled_dot_product_attention(query, keys, values, scale=attn.scale)
        weights = self.weights[number]
        return look.scale * (seen if weights is None else seen * stretch(weights, shape).to(seen))


class ReferenceMemory:
    """Features of references in self-attention: + sum_s strength_s a m_s softmax(q K_s) V_s.

    a is the scale that the adapter learned for the layer. Every row of the batch gets them, both branches of
    the guidance alike.

    Args:
        features: of each subject; None for those without.
        strengths: how much each counts.
        weights: [N, h, w] or [1, h, w], where each counts; None is everywhere.
        adapter: has the scales.
    """

    def __init__(
        self,
        features: Sequence[SubjectFeatures | None],
        strengths: Sequence[float | Tensor],
        weights: Sequence[Tensor | None],
        adapter: SubjectAdapter,
    ) -> None:
        self._subjects = list(zip(features, strengths, weights, strict=True))
        self._adapter = adapter

    def beside(
        self, attn: Attention, query: Tensor, keys: Tensor, values: Tensor, shape: tuple[int, int]
    ) -> Tensor | None:
        """See `SelfReader.beside`."""
        layer = self._adapter.reference(attn)
        if layer is None:
            return None
        added: Tensor | None = None
        for features, strength, weights in self._subjects:
            if features is None:
                continue
            kept = [each.expand(len(query), -1, -1, -1) for each in features.layers[attn]]  # [N, H, S, d]
            read = functional.scaled_dot_product_attention(query, kept[0], kept[1], scale=attn.scale)
            read = read * (strength * layer.scale_learnable)
            if weights is not None:
                read = read * stretch(weights, shape).to(read)
            added = read if added is None else added + read
        return added


def stretch(weights: Tensor, shape: tuple[int, int]) -> Tensor:
    """Weights [N, h, w] at the size of a feature map, for every head: [N, 1, P, 1]."""
    fitted: Tensor = functional.interpolate(weights[:, None].float(), size=shape, mode="nearest")
    return fitted.flatten(2)[..., None]


def merge_maps(branches: Sequence[Sequence[Tensor]], shape: tuple[int, int]) -> Tensor:
    """Where a subject is, from the maps that its noun got in all layers of one step.

    Mean over the layers, spread to 0..1 over all branches together, faint values to 0, spread once more.

    Args:
        branches: for each branch of the guidance, each layer's map [N, height, width].
        shape: (h, w) of the latent.

    Returns:
        [branches, N, h, w]
    """
    means = [
        torch.stack([functional.interpolate(m[:, None], size=shape)[:, 0] for m in maps]).mean(dim=0)
        for maps in branches
    ]
    merged = _spread(torch.stack(means).clamp(0, 1).transpose(0, 1))  # [N, branches, h, w]
    return _spread(torch.where(merged > FAINT, merged, 0.0)).transpose(0, 1)


def _map(probabilities: Tensor, named: Tensor, shape: tuple[int, int]) -> Tensor:
    """The share of attention that named tokens get, spread to 0..1 over each row: [N, height, width]."""
    share = probabilities[..., named].sum(dim=-1).mean(dim=1)  # [N, H, P, L] -> [N, P]
    spread: Tensor = _spread(share.float()).unflatten(1, shape)
    return spread


def _spread(values: Tensor) -> Tensor:
    """Each row [N, ...] stretched to 0..1; a row of one value becomes 0."""
    flat = values.flatten(1)
    low, high = (edge.view(-1, *[1] * (values.ndim - 1)) for edge in (flat.amin(1), flat.amax(1)))
    return (values - low) / torch.where(high > low, high - low, 1.0)
