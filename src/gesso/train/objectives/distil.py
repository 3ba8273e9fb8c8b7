"""Learning to see as another model does: features of pictures, position by position.

A target at every position teaches a tower and its resampler faster than answers do; the language model behind
the two may then be the teacher's own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage
from torch import Tensor, nn

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.core.messages import Image, user
from gesso.engines.folders import folder_of
from gesso.models.base import ImageTiles
from gesso.models.llava.convert import load_llava
from gesso.train.megrez import load_or_assemble
from gesso.train.pictures import PictureStore
from gesso.train.saving import save_chat

__all__ = ["DistilBatch", "DistilObjective"]

DistilBatch = tuple[list[Tensor], list[Tensor]]
"""Pictures as the student takes them, [3, H, W] each, and as the teacher does, [T, 3, S, S] each."""


class DistilObjective:
    """A Megrez whose slices come out of its resampler as a LLaVA's pictures out of its projector.

    The loss is the share of the variance of the teacher's features that is not explained.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.model.vision is None:
            raise ConfigError("model.vision is missing; name the LLaVA that is to be seen like")
        self.teacher = load_llava(folder_of(recipe.model.vision), dtype=torch.float32)
        self.teacher.module.requires_grad_(False).eval()
        self.chat = load_or_assemble(recipe)
        self.pictures = PictureStore.of(recipe.data, self.chat.settings.patch_size)
        config: Any = self.teacher.module.config
        if self.teacher.settings.image_size != recipe.data.size:
            raise ConfigError(
                f"data.size is {recipe.data.size}; the teacher sees {self.teacher.settings.image_size}"
            )
        self._shape = (self.chat.settings.image_feature_size, config.text_config.hidden_size)

    @property
    def module(self) -> nn.Module:
        """The student."""
        return self.chat.module

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What sees."""
        return {name: self.chat.parts[name] for name in ("vision", "projector")}

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.pictures.count

    def batch(self, examples: list[int], number: int) -> DistilBatch:
        """Pictures as both take them."""
        pictures = [Image(PILImage.fromarray(self.pictures.pixels(index))) for index in examples]
        both: list[list[ImageTiles]] = [
            [chat.processor.encode([user(picture, "?")]).images[0] for picture in pictures]
            for chat in (self.chat, self.teacher)
        ]
        return [tiles.pixels[0] for tiles in both[0]], [tiles.pixels for tiles in both[1]]

    def loss(self, batch: DistilBatch) -> tuple[Tensor, dict[str, float]]:
        """Variance that is not explained, over all of it."""
        ours, theirs = batch
        with torch.no_grad():
            wanted = torch.stack(self.teacher.image_features(theirs)).float()  # [B, Q, D]
        module: Any = self.chat.module
        patches, grids = module.vision.encode(ours)
        found = module.resampler(patches, grids).float()  # [B, Q, D]
        error = (found - wanted).square().sum()
        loss = error / (wanted - wanted.mean((0, 1))).square().sum()
        return loss, {"tokens": wanted.shape[0] * wanted.shape[1]}

    def show(self, example: int) -> str:
        """What there is to see, in words."""
        return f"picture {example}: {self._shape[0]} features of width {self._shape[1]}"

    def save(self, folder: Path) -> None:
        """A Megrez folder."""
        save_chat(self.chat, folder)
