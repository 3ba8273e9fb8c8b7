"""The frozen text encoders of a painter, one or two, reading the texts of a whole batch.

Letters: B pictures, W windows of all of them, T ids of a window, D1 and D2 widths of the encoders.
"""

import copy
from pathlib import Path
from typing import Self

import torch
from tokenizers import processors
from torch import Tensor, nn
from transformers import (
    AutoTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerBase,
)

from gesso.config.schema import Recipe
from gesso.core.digests import SHARED
from gesso.core.errors import ConfigError
from gesso.diffusion.encode import PromptEncoder, TextModel
from gesso.diffusion.parts import PaintModel
from gesso.train.objectives.sizes import sizes_of

__all__ = ["PainterTexts"]


class PainterTexts(nn.Module):
    """One or two CLIP text encoders that share one tokenizer.

    Args:
        tokenizer: of both.
        first: gives states [D1].
        second: gives states [D2] and the pooled state; None for a painter of SD 1.5's shape.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        first: CLIPTextModel,
        second: CLIPTextModelWithProjection | None,
    ) -> None:
        super().__init__()
        self.tokenizer, self.first, self.second = tokenizer, first, second
        if second is not None and second.config.hidden_size != second.config.projection_dim:
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
        folders = [_folder(recipe, "text_encoder")]
        if recipe.model.text_encoder_2 is None:
            return cls(AutoTokenizer.from_pretrained(folders[0]), _alone(recipe, folders[0]), None)
        folders.append(_folder(recipe, "text_encoder_2"))
        first, second = (AutoTokenizer.from_pretrained(folder) for folder in folders)
        if first.get_vocab() != second.get_vocab() or first.pad_token_id != second.pad_token_id:
            raise ConfigError("model.text_encoder and model.text_encoder_2 cut texts differently; "
                              "train the second with the tokenizer of the first")  # fmt: skip
        return cls(
            first,
            CLIPTextModel.from_pretrained(folders[0], dtype=torch.float32),
            CLIPTextModelWithProjection.from_pretrained(folders[1], dtype=torch.float32),
        )

    @classmethod
    def of(cls, painter: PaintModel) -> Self:
        """Those of a painter with two."""
        return cls(painter.text.tokenizers[0], *painter.text.encoders)  # type: ignore[arg-type]

    @property
    def width(self) -> int:
        """D1 + D2, or D1 alone."""
        return int(sum(each.config.hidden_size for each in self._encoders))

    @property
    def pooled_width(self) -> int:
        """D2; 0 where there is no pooled state."""
        return 0 if self.second is None else int(self.second.config.hidden_size)

    @property
    def positions(self) -> int:
        """Most ids of a window."""
        return int(min(each.config.max_position_embeddings for each in self._encoders))

    @property
    def _encoders(self) -> tuple[TextModel, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)

    @torch.no_grad()
    def forward(self, ids: Tensor, counts: Tensor, projected: Tensor) -> tuple[Tensor, Tensor | None]:
        """What a UNet reads, as `gesso.diffusion.encode` gives it for one canvas.

        Args:
            ids: [W, T].
            counts: [B] windows of each picture.
            projected: [B] whether its pooled state went through the projection.

        Returns:
            [W, T, D1 + D2] states before the last layers, and [B, D2] pooled states of the first windows;
            of one encoder, [W, T, D1] states under its final norm, and None.
        """
        if self.second is None:
            states: Tensor = self.first(ids).last_hidden_state
            return states, None
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
        encoders = self._encoders
        return PromptEncoder(tuple(copy.deepcopy(tokenizer) for _ in encoders), encoders)


def _folder(recipe: Recipe, name: str) -> str:
    folder: str | None = getattr(recipe.model, name)
    if folder is None or not Path(folder).is_dir():
        raise ConfigError(f"model.{name} {folder} is no folder; train its recipe first")
    if (Path(folder) / SHARED).is_file():  # transformers would begin what is borrowed anew
        raise ConfigError(f"model.{name} {folder} borrows its weights; give the folder it borrows from")
    return folder


def _alone(recipe: Recipe, folder: str) -> CLIPTextModel:
    """The one encoder of SD 1.5's shape, which reads the last layer; a recipe may cut layers at its end."""
    cut = {} if "text_encoder" not in recipe.model.shape else sizes_of(recipe, "text_encoder", CLIPTextConfig)
    if cut.keys() - {"num_hidden_layers"}:
        raise ConfigError(f"model.shape.text_encoder has {', '.join(sorted(cut))}; only num_hidden_layers of "
                          "a trained encoder can be changed")  # fmt: skip
    encoder: CLIPTextModel = CLIPTextModel.from_pretrained(folder, dtype=torch.float32, **cut)
    return encoder
