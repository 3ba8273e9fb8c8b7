"""The two frozen text encoders of a painter, reading the texts of a whole batch.

Letters: B pictures, W windows of all of them, T ids of a window, D1 and D2 widths of the encoders.
"""

import copy
from pathlib import Path
from typing import Self

import torch
from tokenizers import processors
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.encode import PromptEncoder

__all__ = ["PainterTexts"]


class PainterTexts(nn.Module):
    """Two CLIP text encoders that share one tokenizer.

    Args:
        tokenizer: of both.
        first: gives states [D1].
        second: gives states [D2] and the pooled state.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        first: CLIPTextModel,
        second: CLIPTextModelWithProjection,
    ) -> None:
        super().__init__()
        self.tokenizer, self.first, self.second = tokenizer, first, second
        if second.config.hidden_size != second.config.projection_dim:
            raise ConfigError(
                f"the second text encoder is {second.config.hidden_size} wide and projects to "
                f"{second.config.projection_dim}; make them equal, for the UNet reads either as pooled state"
            )

    @classmethod
    def load(cls, recipe: Recipe) -> Self:
        """The encoders that a recipe names.

        Raises:
            ConfigError: one is missing, or they have different tokenizers.
        """
        folders = []
        for name in ("text_encoder", "text_encoder_2"):
            folder = getattr(recipe.model, name)
            if folder is None or not Path(folder).is_dir():
                raise ConfigError(f"model.{name} {folder} is no folder; train its recipe first")
            folders.append(folder)
        first, second = (AutoTokenizer.from_pretrained(folder) for folder in folders)
        if first.get_vocab() != second.get_vocab() or first.pad_token_id != second.pad_token_id:
            raise ConfigError("model.text_encoder and model.text_encoder_2 cut texts differently; "
                              "train the second with the tokenizer of the first")  # fmt: skip
        return cls(
            first,
            CLIPTextModel.from_pretrained(folders[0], dtype=torch.float32),
            CLIPTextModelWithProjection.from_pretrained(folders[1], dtype=torch.float32),
        )

    @property
    def width(self) -> int:
        """D1 + D2."""
        return int(self.first.config.hidden_size + self.second.config.hidden_size)

    @property
    def pooled_width(self) -> int:
        """D2."""
        return int(self.second.config.hidden_size)

    @property
    def positions(self) -> int:
        """Most ids of a window."""
        return int(min(self.first.config.max_position_embeddings, self.second.config.max_position_embeddings))

    @torch.no_grad()
    def forward(self, ids: Tensor, counts: Tensor, projected: Tensor) -> tuple[Tensor, Tensor]:
        """What a UNet of SDXL's kind reads, as `gesso.diffusion.encode` gives it for one canvas.

        Args:
            ids: [W, T].
            counts: [B] windows of each picture.
            projected: [B] whether its pooled state went through the projection.

        Returns:
            [W, T, D1 + D2] states before the last layers, and [B, D2] pooled states of the first windows.
        """
        left = self.first(ids, output_hidden_states=True).hidden_states[-2]
        found = self.second.text_model(ids, output_hidden_states=True)
        pooled = found.pooler_output[counts.cumsum(0) - counts]  # [W, D2] -> [B, D2]
        pooled = torch.where(projected[:, None], self.second.text_projection(pooled).to(pooled), pooled)
        return torch.cat([left, found.hidden_states[-2]], dim=2), pooled

    def encoder(self, window: int) -> PromptEncoder:
        """The same as the painter has it; its tokenizers tell the length of a window."""
        tokenizer = copy.deepcopy(self.tokenizer)
        tokenizer.model_max_length = window
        # whoever encodes with the tokenizer alone gets begin and end as CLIP's
        bos, eos = tokenizer.bos_token, tokenizer.eos_token
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A {eos}",
            special_tokens=[(bos, tokenizer.bos_token_id), (eos, tokenizer.eos_token_id)],
        )
        return PromptEncoder((tokenizer, copy.deepcopy(tokenizer)), (self.first, self.second))
