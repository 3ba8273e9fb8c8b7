"""The attention step of a painting UNet: text enters through an object of the call, and nowhere else.

One processor without state serves every attention layer. A call of the UNet brings a `TextCall` in its
`cross_attention_kwargs`; it holds, for each part of the batch, an object that knows what that part reads and
how. So nothing is left behind on the model, and threads may share it.

Letters: N rows, P positions of a feature map, C channels, H heads, d channels of a head, L tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional

from gesso.core.errors import UnsupportedError

__all__ = [
    "SelfReader",
    "TextAttention",
    "TextCall",
    "TextProcessor",
    "feature_shape",
    "install_processor",
    "keys_values",
    "split_heads",
]

MAX_LEVELS: Final = 8
"""Halvings of the latent that are tried when a feature map's shape is looked for."""

EXTRAS: Final = ("spatial_norm", "group_norm", "norm_cross", "norm_q", "norm_k")
"""Parts some attention layers of diffusers have and those of painting UNets have not."""


class TextAttention(Protocol):
    """How some rows of a batch read their text."""

    @property
    def rows(self) -> int:
        """How many rows of the UNet's batch it serves."""
        ...

    @property
    def preview(self) -> Tensor:
        """[rows, L, D] states for the UNet's own text argument; attention layers do not read them."""
        ...

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        """Queries [rows, H, P, d] of a layer with this feature map (height, width) -> [rows, H, P, d]."""
        ...


class SelfReader(Protocol):
    """What a call reads in self-attention beside the picture itself, such as a reference subject."""

    def beside(
        self, attn: Attention, query: Tensor, keys: Tensor, values: Tensor, shape: tuple[int, int]
    ) -> Tensor | None:
        """What to add [N, H, P, d] to a layer's own reading, or None.

        Args:
            attn: the layer.
            query: [N, H, P, d].
            keys: [N, H, P, d], the layer's own.
            values: [N, H, P, d], the same.
            shape: (height, width) of the feature map.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TextCall:
    """What one call of the UNet reads.

    Attributes:
        latent_shape: (height, width) of the latent, from which the shape of each feature map follows.
        parts: what each part of the batch reads, in the batch's order.
        memory: what self-attention reads beside the picture itself, if anything.
    """

    latent_shape: tuple[int, int]
    parts: Sequence[TextAttention]
    memory: SelfReader | None = None

    def attend(self, attn: Attention, query: Tensor) -> Tensor:
        """Queries [N, H, P, d] of a layer -> [N, H, P, d], each part of the batch by its own text."""
        shape = feature_shape(query.shape[2], self.latent_shape)
        pieces = query.split([part.rows for part in self.parts])
        read = [part.attend(attn, piece, shape) for part, piece in zip(self.parts, pieces, strict=True)]
        return read[0] if len(read) == 1 else torch.cat(read)

    def beside(self, attn: Attention, query: Tensor, own: tuple[Tensor, Tensor], read: Tensor) -> Tensor:
        """What self-attention read [N, H, P, d], with what the call reads beside it."""
        if self.memory is None:
            return read
        added = self.memory.beside(attn, query, *own, feature_shape(query.shape[2], self.latent_shape))
        return read if added is None else read + added


class TextProcessor:
    """Attention of diffusers' `Attention`, whose text comes from a `TextCall` if the call brings one.

    Without one it does what diffusers' own `AttnProcessor2_0` does.

    Args:
        eager: multiply out the scores: on a CPU torch's fused attention takes longer backwards.
    """

    def __init__(self, *, eager: bool = False) -> None:
        self._eager = eager

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        text: TextCall | None = None,
    ) -> Tensor:
        """Feature maps [N, P, C] to feature maps [N, P, C].

        Args:
            attn: the layer.
            hidden_states: [N, P, C].
            encoder_hidden_states: [N, L, D]; None in self-attention.
            attention_mask: refused; masks belong into the `TextCall`.
            text: what this call of the UNet reads, from `cross_attention_kwargs`.

        Raises:
            UnsupportedError: an attention mask came.
        """
        if attention_mask is not None:
            raise UnsupportedError(
                "an attention mask came; gesso's painter reads masks from the TextCall only"
            )
        query = split_heads(attn.to_q(hidden_states), attn)
        if encoder_hidden_states is not None and text is not None:
            read = text.attend(attn, query)
        else:
            source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
            keys, values = keys_values(attn, source)
            if self._eager:
                read = (query @ (keys * attn.scale).transpose(2, 3)).softmax(dim=-1) @ values
            else:
                read = functional.scaled_dot_product_attention(query, keys, values, scale=attn.scale)
            if encoder_hidden_states is None and text is not None:
                read = text.beside(attn, query, (keys, values), read)
        joined: Tensor = read.transpose(1, 2).flatten(2)  # [N, H, P, d] -> [N, P, H*d]
        for layer in attn.to_out:  # a projection, then dropout
            joined = layer(joined)
        return joined


def keys_values(attn: Attention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values [N, H, L, d] of a layer for states [N, L, D]."""
    return split_heads(attn.to_k(states), attn), split_heads(attn.to_v(states), attn)


def feature_shape(positions: int, latent_shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the feature map with so many positions; each level halves and rounds up.

    Raises:
        UnsupportedError: no level of a UNet on such a latent has that many positions.
    """
    height, width = latent_shape
    for _ in range(MAX_LEVELS):
        if height * width == positions:
            return height, width
        height, width = -(-height // 2), -(-width // 2)
    raise UnsupportedError(
        f"a feature map of {positions} positions came for a latent of {latent_shape[0]} x {latent_shape[1]}; "
        "the UNet must halve the latent from level to level"
    )


def install_processor(unet: UNet2DConditionModel, *, eager: bool = False) -> None:
    """Let every attention layer of a UNet read its text from the call; layers keep nothing of a call.

    Args:
        unet: the model.
        eager: see `TextProcessor`.

    Raises:
        UnsupportedError: a layer normalises or adds in ways that this processor does not do.
    """
    for name, module in unet.named_modules():
        if isinstance(module, Attention):
            _require_plain(name, module)
    unet.set_attn_processor(TextProcessor(eager=eager))


def _require_plain(name: str, attn: Attention) -> None:
    extras = [extra for extra in EXTRAS if getattr(attn, extra, None) is not None]
    extras += ["added_kv_proj_dim"] if getattr(attn, "added_kv_proj_dim", None) is not None else []
    extras += ["residual_connection"] if attn.residual_connection else []
    extras += ["rescale_output_factor"] if attn.rescale_output_factor != 1 else []
    if extras:
        raise UnsupportedError(
            f"{name} uses {', '.join(extras)}; the painter runs UNets of the SD 1.5 and SDXL kind only"
        )


def split_heads(states: Tensor, attn: Attention) -> Tensor:
    """A projection's output by heads: [N, L, H*d] -> [N, H, L, d]."""
    parts: Tensor = states.unflatten(2, (attn.heads, -1))
    return parts.transpose(1, 2)  # [N, L, H*d] -> [N, H, L, d]
