"""One text encoder that tells a UNet what two told it, for a painter of SD 1.5's shape from one of SDXL's.

A UNet reads texts by the keys and values of its attention and by nothing else. So what the new encoder is to
give are not the states of the two, but these keys and values, of which those of each layer count alike: what
no layer looks at need not be learned, and what only a few directions tell, such as patterns, is.

Letters: W windows, T ids of a window, N = W * T, D width of the new states, D1 + D2 of the old ones, R of
what is read.
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

import torch
from rich.markup import escape
from torch import Tensor, nn

from gesso.config.schema import DiffusionSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.parts import PaintModel
from gesso.storybook.splits import scene_at
from gesso.train.painter_start import read_start
from gesso.train.painter_texts import PainterTexts
from gesso.train.prompts import Form, Windows, drawn_conditions

__all__ = ["TextDistilObjective"]

SCENES: Final = 1000
"""Whose texts tell how keys and values vary, and how they follow from states before any training."""


class TextDistilObjective:
    """A CLIP text encoder from whose states the keys and values of another painter's UNet follow linearly.

    The loss is the share of their variance that is not explained. The map from states stays behind:
    `painter_start` finds it anew.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.settings, self.data = recipe.diffusion or DiffusionSettings(), recipe.data
        painter, texts = _painter(recipe), PainterTexts.load(recipe)
        self.encoder, self.tokenizer = texts.first, texts.tokenizer
        self.encoder.set_attn_implementation(recipe.model.attention)
        known = PainterTexts.of(painter)
        if known.tokenizer.get_vocab() != self.tokenizer.get_vocab():
            raise ConfigError("model.text_encoder and the painter of model.init cut texts differently; "
                              "give an encoder with the painter's tokenizer")  # fmt: skip
        self.windows = Windows(self.tokenizer, self.settings.window)
        self.windows.check(min(texts.positions, known.positions))
        self.known = known.requires_grad_(False)
        self.read, self.head = self._begin(painter.unet)
        self.module: nn.Module = nn.ModuleDict(
            {"encoder": self.encoder, "head": self.head, "known": self.known, "read": self.read}
        )

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """One part: the new encoder with the map from its states."""
        return {"text": nn.ModuleDict({"encoder": self.encoder, "head": self.head})}

    @property
    def examples(self) -> int:
        """Different scenes."""
        return self.data.count

    def batch(self, examples: list[int], number: int) -> Tensor:
        """Ids [W, T], one window about each scene."""
        return torch.tensor([self._row(index, number)[1] for index in examples])

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Share of the variance of keys and values that is not explained."""
        found = self.head(self.encoder(batch).last_hidden_state)  # [W, T, R]
        loss = (found.float() - self.read(self._old(batch))).square().sum(dim=2).mean()
        return loss, {"tokens": batch.numel(), "explained": 1 - float(loss.detach())}

    def show(self, example: int) -> str:
        """A window, and what is learned of it."""
        form, ids = self._row(example, 0)
        text = str(self.tokenizer.decode(ids[1 : ids.index(self.tokenizer.eos_token_id)]))
        return (f"window of scene {example}, told by {form}: {escape(text)}\n"
                f"[green]what a UNet reads of its {len(ids)} tokens[/green]")  # fmt: skip

    def save(self, folder: Path) -> None:
        """A CLIP text folder with its tokenizer."""
        self.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    @torch.no_grad()
    def _old(self, ids: Tensor) -> Tensor:
        """States of the old encoders, [W, T, D1 + D2]; each window stands alone."""
        alone = torch.ones(len(ids), dtype=torch.long, device=ids.device)
        states: Tensor = self.known(ids, alone, alone.bool())[0]
        return states.float()

    @torch.no_grad()
    def _begin(self, unet: nn.Module) -> tuple["_Reading", nn.Linear]:
        """What is read of old states, for good; and the map from new states to that, to begin with."""
        ids = torch.tensor([self._row(index, 0)[1] for index in range(SCENES)])
        known = self._old(ids).flatten(0, 1)  # [N, D1 + D2]
        read = _Reading(unet, known)
        found = self.encoder(ids).last_hidden_state.flatten(0, 1)  # [N, D]
        found = torch.cat([found, torch.ones(len(found), 1)], dim=1)
        follows = torch.linalg.lstsq(found, read(known)).solution  # [D + 1, R]
        head = nn.Linear(found.shape[1] - 1, follows.shape[1])
        head.weight.copy_(follows[:-1].T)
        head.bias.copy_(follows[-1])
        return read, head

    def _row(self, index: int, number: int) -> tuple[Form, list[int]]:
        """How a scene is told this time, and one window of that, [T]."""
        rng = Random(f"{self.data.seed}/{number}/{index}")
        scene = scene_at("train", self.data.seed, index,
                         counts=range(1, self.data.things + 1), sign_rate=self.data.signs)  # fmt: skip
        form, conditions = drawn_conditions(scene, self.settings, self.data.chinese, rng)
        return form, rng.choice([window for one in conditions for window in self.windows.of(one)])


def _painter(recipe: Recipe) -> PaintModel:
    """The painter with two text encoders in `model.init`."""
    if recipe.model.init is None:
        raise ConfigError("model.init is missing; give the painter that mini/sdxl wrote")
    painter = read_start(recipe.model.init)
    if len(painter.text.encoders) == 1:
        raise ConfigError(f"model.init {recipe.model.init} has one text encoder; give one of SDXL's shape")
    return painter


class _Reading(nn.Module):
    """Old states [.., D1 + D2] -> R numbers that differ, squared, as all keys and values together do.

    Those of each layer are scaled to count alike, and their variance over `known` [N, D1 + D2] is 1 in all.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, unet: nn.Module, known: Tensor) -> None:
        super().__init__()
        mean = known.mean(0)
        weights: list[Tensor] = [
            value
            for key, value in unet.state_dict().items()
            if key.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
        ]
        spreads = [((known - mean) @ weight.T).var(0).sum() for weight in weights]
        rows = torch.cat([weight / spread.sqrt() for weight, spread in zip(weights, spreads, strict=True)])
        # thousands of rows read D1 + D2 numbers, so as many directions tell all of it: R = D1 + D2
        values, vectors = torch.linalg.eigh(rows.T @ rows / len(weights))
        self.register_buffer("mean", mean)
        self.register_buffer("directions", vectors * values.clamp(min=0).sqrt())

    def forward(self, states: Tensor) -> Tensor:
        # the mean first: beside it, what differs is too little for bfloat16
        return (states - self.mean) @ self.directions
