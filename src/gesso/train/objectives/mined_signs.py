"""What signs say, handed on by a Mini-Gemini's mining and projector, before any text.

Its tower reads signs (`objectives.signs`), but what a language model sees is what is mined of it. Random
mining hides letters from a language model that has no use for them yet, and so they never meet. Here each
token of a picture learns to say its sign, as linearly as the tower did, while it stays near what the LLaVA
without a second tower would have said.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.train.mgm import build_mgm
from gesso.train.objectives.signs import (
    PATCHES,
    SignBatch,
    SignsObjective,
    sheet_pictures,
    sign_head,
)
from gesso.train.saving import save_chat

__all__ = ["MinedSignsObjective"]


class MinedSignsObjective(SignsObjective):
    """Detail mining and the projector; towers and language model are frozen.

    Letters: B pictures, N tokens of one, D their width for the language model.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.pictures = sheet_pictures(recipe)
        self.chat = build_mgm(recipe)
        settings = self.chat.settings
        views = settings.view_count(settings.image_size_aux)
        if (settings.grid_side, views) != (PATCHES, 1):
            raise ConfigError(f"pictures have {views} views of {settings.grid_side} tokens along a side; "
                              f"signs are read in one view of {PATCHES}")  # fmt: skip
        self.chat.module.requires_grad_(False)
        inner: Any = self.chat.module
        self._model = inner.model
        self.head = sign_head(inner.config.get_text_config().hidden_size)
        self._mining = nn.ModuleList([self._model.detail_mining, self._model.multi_modal_projector])
        self._before = copy.deepcopy(self._model.multi_modal_projector)
        self._mining.requires_grad_(True)
        self.module = nn.ModuleDict({"chat": inner, "head": self.head, "before": self._before})

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What learns."""
        return {"projector": self._mining, "head": self.head}

    def read(self, batch: SignBatch) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Tokens as the language model gets them, and how far they are from those without details."""
        found = self._model.get_image_features(batch.pixels)
        places = torch.stack(found.pooler_output)  # [B, N, D]
        with torch.no_grad():
            tokens, _ = self._model.view_tokens(batch.pixels)
            plain = self._before(tokens.flatten(1, 2))  # [B, 1, N, W] -> [B, N, W] -> [B, N, D]
        moved = (places - plain).square().mean() / plain.square().mean()
        return places, moved, {"moved": float(moved.detach())}

    def save(self, folder: Path) -> None:
        """A Mini-Gemini; the head stays behind."""
        save_chat(self.chat, folder)
