"""Texts to the states that a UNet reads, for models with one text encoder (SD 1.5) and with two (SDXL).

SD 1.5 reads the last layer's states under the final norm. SDXL reads the states before the last layer,
without the norm, of both encoders side by side, and beside them one pooled state of the second encoder.

Letters: n windows, T tokens of a window, D width of the states, W width of the pooled state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerBase

from gesso.canvas.prompts import WINDOW, WindowIds, token_windows
from gesso.core.errors import UnsupportedError
from gesso.diffusion.conditions import RegionPrompt, TextRegion, read_mask

__all__ = ["Pooled", "PromptEncoder", "TextModel"]

Pooled = Literal["projected", "unprojected"]
"""Which pooled state SDXL reads.

"projected" went through the second encoder's text projection: what SDXL was trained with, and what plain
prompts use. "unprojected" did not: what Omost feeds, whose second encoder is loaded without its projection
(lllyasviel/Omost at 731e749, `gradio_app.py`); what it published was looked at and liked that way.
"""

TextModel = CLIPTextModel | CLIPTextModelWithProjection

COUNTS: Final = (1, 2)
"""Text encoders that a model may have: SD 1.5, SDXL."""


class _Encoded(NamedTuple):
    """States [n, T, D], and the pooled state [1, W] of the first window, or None."""

    states: Tensor
    pooled: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class PromptEncoder:
    """The tokenizers and text encoders of one model.

    Attributes:
        tokenizers: one for each encoder; all cut text alike.
        encoders: one (SD 1.5) or two (SDXL; the second needs its projection for "projected" states).

    Raises:
        UnsupportedError: the number of encoders is neither one nor two, or tokenizers do not match them.
    """

    tokenizers: tuple[PreTrainedTokenizerBase, ...]
    encoders: tuple[TextModel, ...]

    def __post_init__(self) -> None:
        """Refuse other numbers of parts."""
        if len(self.encoders) not in COUNTS or len(self.tokenizers) != len(self.encoders):
            raise UnsupportedError(
                f"{len(self.encoders)} text encoders with {len(self.tokenizers)} tokenizers; "
                "SD 1.5 has one of each, SDXL two of each"
            )

    def region(self, prompt: RegionPrompt, pooled: Pooled = "projected") -> TextRegion:
        """A prompt in as many windows as its suffixes need, joined: states [1, n*T, D].

        Args:
            prompt: the texts and their place.
            pooled: which pooled state goes with it; not read for SD 1.5.

        Raises:
            UsageError: the mask is no grid.
            UnsupportedError: the pooled state cannot be had, or a tokenizer has no begin, end or padding.
            CanvasError: the two tokenizers cut the text differently.
        """
        tables = [_window_ids(tokenizer) for tokenizer in self.tokenizers]
        windows = token_windows(prompt.prefixes, prompt.suffixes, tables)
        return self._encode(windows, read_mask(prompt.mask), pooled)

    def plain(self, text: str, mask: Tensor, pooled: Pooled = "projected") -> TextRegion:
        """A text in one window that is cut at its end, such as a negative prompt: states [1, T, D]."""
        return self._encode([[ids] for ids in self.window(text)], mask, pooled)

    def window(self, text: str) -> list[tuple[int, ...]]:
        """Ids of a text in one window that is cut at its end, T of each tokenizer."""
        tables = [_window_ids(tokenizer) for tokenizer in self.tokenizers]
        return [table.window(table.tokenize(text)) for table in tables]

    @torch.no_grad()
    def _encode(self, windows: Sequence[Sequence[Sequence[int]]], mask: Tensor, pooled: Pooled) -> TextRegion:
        projects = isinstance(self.encoders[-1], CLIPTextModelWithProjection)
        if len(self.encoders) > 1 and pooled == "projected" and not projects:
            raise UnsupportedError(
                "the second text encoder has no text projection; load it with one, "
                "or ask for pooled='unprojected'"
            )
        ids = [torch.tensor(each) for each in windows]  # [n, T] for each encoder
        if len(self.encoders) == 1:
            encoded = [_last_states(self.encoders[0], ids[0])]
        else:
            encoded = [_inner_states(e, i, pooled) for e, i in zip(self.encoders, ids, strict=True)]
        states = torch.cat([each.states for each in encoded], dim=2)
        device = states.device
        return TextRegion(
            mask.to(device),
            states.flatten(0, 1)[None],  # [n, T, D] -> [1, n*T, D]
            _words(ids[0], self.tokenizers[0]).flatten().to(device),
            encoded[-1].pooled,
            ids[0].flatten(),  # [n, T] -> [n*T]
        )


def _last_states(encoder: TextModel, ids: Tensor) -> _Encoded:
    found = encoder(ids.to(encoder.device))
    return _Encoded(found.last_hidden_state, None)


def _inner_states(encoder: TextModel, ids: Tensor, pooled: Pooled) -> _Encoded:
    """States before the last layer, and the first window's state at its end token under the final norm."""
    inner: nn.Module = encoder
    project: nn.Module = nn.Identity()
    if isinstance(encoder, CLIPTextModelWithProjection):
        inner = encoder.text_model
        if pooled == "projected":
            project = encoder.text_projection
    found = inner(ids.to(encoder.device), output_hidden_states=True)
    first: Tensor = project(found.pooler_output[:1])
    return _Encoded(found.hidden_states[-2], first)


def _words(ids: Tensor, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Which ids [n, T] are text: those after the begin and before the first end token."""
    ended: Tensor = (ids == tokenizer.eos_token_id).cumsum(dim=1) > 0
    begun = torch.arange(ids.shape[1]) > 0
    return begun & ~ended


def _window_ids(tokenizer: PreTrainedTokenizerBase) -> WindowIds:
    def tokenize(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
        return ids

    bos, eos, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    if bos is None or eos is None or pad is None:
        raise UnsupportedError(
            f"the tokenizer has begin {bos}, end {eos} and padding {pad}; CLIP needs all three"
        )
    # a model for a small world may read shorter windows than CLIP's, which its tokenizers say
    return WindowIds(tokenize, bos, eos, pad, min(tokenizer.model_max_length, WINDOW))
