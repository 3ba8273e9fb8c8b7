"""Mini-Gemini as gesso's engines and trainer see it: conversations in, prompt embeddings out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gesso.models.base import ImageTiles
from gesso.models.mgm.export import write_processor
from gesso.models.mgm.processor import MgmProcessor
from gesso.models.mgm.settings import MgmSettings
from gesso.models.picture_chat import PictureChat

__all__ = ["MgmChat"]


class MgmChat(PictureChat[MgmProcessor]):
    """A Mini-Gemini: transformers module, settings and processor together.

    Args:
        module: a `gesso.models.mgm.modules.MgmForConditionalGeneration`.
        processor: turns messages into its inputs.
    """

    @property
    def settings(self) -> MgmSettings:
        """What distinguishes this Mini-Gemini from others."""
        return self.processor.settings

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """Towers, projector with detail mining, and language model with its head, sharing their weights."""
        model = self._module.model
        return {
            "vision": model.vision_tower,
            "detail": model.vision_tower_aux,
            # trained together and at one rate from the first stage on
            "projector": nn.ModuleList([model.multi_modal_projector, model.detail_mining]),
            "language": nn.ModuleList([model.language_model, self._module.lm_head]),
        }

    def features_of(self, images: Sequence[ImageTiles]) -> list[Tensor]:
        """Features of pictures as they stand in a prompt, [N_i, D] each; those of one size at once."""
        module: Any = self._module
        features: dict[int, Tensor] = {}
        sides = [image.pixels.shape[-1] for image in images]
        for side in set(sides):
            # which of the pictures have this size
            places = [place for place, found in enumerate(sides) if found == side]
            pixels = torch.cat([images[place].pixels for place in places])  # [B, 3, H, H]
            seen = module.get_image_features(pixels.to(module.device)).pooler_output
            features.update(zip(places, seen, strict=True))
        return [features[place] for place in range(len(images))]

    def _save_processor(self, folder: Path) -> None:
        write_processor(folder, self.processor.tokenizer, self.settings, self.processor.pixels)
