"""Subjects of a picture: what is kept of their reference, and where in a text they are named.

A subject lives as long as its caller keeps it, and serves any number of pictures; nothing of it is left on
the model. Letters: B pictures, H heads, P positions, S positions inside the subject's mask, d channels of a
head, T picture tokens, D width of the text states, h x w the size of a latent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import UsageError
from gesso.diffusion.attention import TextAttention
from gesso.diffusion.conditions import TextRegion
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading
from gesso.diffusion.subject_adapter import SubjectAdapter

__all__ = ["UNREAD", "Subject", "SubjectFeatures", "extract_features", "gather_inside", "subject_positions"]

UNREAD: Final = 4
"""Text tokens that a reference pass leaves out: the original's cross-attention always splits off as many as
there are picture tokens, though this pass has none. The published adapter was trained on such features."""


@dataclass(frozen=True, slots=True, eq=False)
class SubjectFeatures:
    """Keys and values of a reference picture inside the subject's mask, [1, H, S, d] for each layer."""

    layers: Mapping[Attention, tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What a painter needs of one subject.

    Attributes:
        noun: the word or words that name it in the text; its map follows their attention.
        tokens: [2, T, D], picture tokens for the negative and the positive branch.
        features: of the reference picture; None paints by the tokens alone.
        strength: how much the reference's features count; 1 for a new context, 0.4 for a new texture.
        token_scale: how much the picture tokens count; MoMA always takes 1.
        region: which of the picture's texts names it; 0 is the first, which covers the whole canvas.
    """

    noun: str
    tokens: Tensor
    features: SubjectFeatures | None = None
    strength: float = 1.0
    token_scale: float = 1.0
    region: int = 0


class _Collector:
    """Notes a reference's keys and values while a UNet runs; adds nothing."""

    def __init__(self, adapter: SubjectAdapter, mask: Tensor) -> None:
        self._adapter = adapter
        self._mask = mask
        self.layers: dict[Attention, tuple[Tensor, Tensor]] = {}

    def beside(
        self, attn: Attention, query: Tensor, keys: Tensor, values: Tensor, shape: tuple[int, int]
    ) -> None:
        layer = self._adapter.reference(attn)
        if layer is not None:
            kept_keys, kept_values = layer(attn, keys, values)
            self.layers[attn] = gather_inside(kept_keys, kept_values, self._mask, shape)


def gather_inside(
    keys: Tensor, values: Tensor, mask: Tensor, shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Keys and values at the positions inside a mask: [1, H, P, d] -> [1, H, S, d].

    The original hides the others behind huge negative scores, which gives the same. A subject too thin to be
    met by the nearest pixel at this size is taken wherever it touches a cell; an empty mask gives the mean of
    all values, as such scores do in float32.

    Args:
        keys: [1, H, P, d].
        values: [1, H, P, d].
        mask: [1, 1, rows, columns], above 0 where the subject is.
        shape: (height, width) of the feature map.
    """
    inside = functional.interpolate(mask.float(), size=shape, mode="nearest").flatten() > 0  # [P]
    if not bool(inside.any()):
        inside = functional.adaptive_max_pool2d(mask.float(), shape).flatten() > 0
    if not bool(inside.any()):
        return torch.zeros_like(keys[:, :, :1]), values.mean(dim=2, keepdim=True)
    return keys[:, :, inside], values[:, :, inside]


@torch.no_grad()
def extract_features(
    noise: NoiseModel, adapter: SubjectAdapter, latent: Tensor, mask: Tensor, text: TextRegion
) -> SubjectFeatures:
    """One pass over a reference picture at timestep 0, of which self-attention's keys and values are kept.

    Args:
        noise: the UNet.
        adapter: has the projections of what is kept.
        latent: [1, C, h, w] under the noise of timestep 0.
        mask: [1, 1, rows, columns], above 0 where the subject is.
        text: the bare noun.
    """
    collector = _Collector(adapter, mask)
    kept = max(1, text.states.shape[1] - UNREAD)
    read = TextRegion(text.mask, text.states[:, :kept], text.words[:kept])
    readings: Sequence[TextAttention] = [ScoreReading([read])]
    noise(latent, torch.zeros((), dtype=torch.long, device=latent.device), readings, memory=collector)
    return SubjectFeatures(collector.layers)


def subject_positions(tokenizer: PreTrainedTokenizerBase, ids: Tensor, noun: str) -> Tensor:
    """Positions of a noun among the tokens [L] of a text: those of the first token of each of its words.

    Later pieces of a word do not count, and another word with the same first piece does, as in the original
    (bytedance/MoMA at 1748535); it splits at single blanks and fails at double ones.

    Raises:
        UsageError: the noun is empty, or the text does not contain it.
    """
    words = noun.split()
    if not words:
        raise UsageError("the subject has no name; give the word that the text calls it by, such as cat")
    # the minis' byte-level vocabularies, unlike CLIP's own, tell a word at the start from one behind a blank
    written = [text for word in words for text in (word, f" {word}")]
    firsts = [tokenizer(text, add_special_tokens=False, verbose=False).input_ids[:1] for text in written]
    wanted = {first for found in firsts for first in found if str(tokenizer.decode([first])).strip()}
    positions = torch.isin(ids.cpu(), torch.tensor(sorted(wanted), dtype=torch.long)).nonzero().flatten()
    if not len(positions):
        raise UsageError(
            f"the text does not contain the subject {noun!r}, or only beyond its {len(ids)} tokens; "
            "name it in the text by this word"
        )
    return positions
