"""A frozen painter, on which adapters learn to paint given subjects: its noise, its texts, its error.

Letters: B examples, C channels of the latent, h x w its size, E text encoders, L text tokens, D width of the
text states, W that of the pooled state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from PIL import Image as Pictures
from torch import Tensor, nn
from torch.nn import functional

from gesso.config.schema import DiffusionSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.attention import install_processor
from gesso.diffusion.latents import latent_factor, pixels_of
from gesso.diffusion.load import read_folder
from gesso.diffusion.noise import NoiseModel, uses_pooled
from gesso.diffusion.parts import PaintModel
from gesso.diffusion.schedule import TRAINED
from gesso.diffusion.subject_latent import reference_latent
from gesso.train.objectives.diffusion import min_snr_weights, timestep_sample
from gesso.train.subjects import SubjectExample

__all__ = ["FrozenPainter", "SubjectPictures"]


@dataclass(frozen=True, slots=True)
class SubjectPictures:
    """Pictures to paint, and what tells them.

    Attributes:
        pixels: [B, 3, H, W], -1..1.
        noise: [B, C, h, w].
        timesteps: [B].
        texts: [B, E, L] ids of the prompts.
        places: [B, h, w], 1 where the subject is.
        shown: [B, 1, h, w], weight of each cell, 1 on average.
        dropped: [B], true where the example is without text and subject, which guidance needs.
    """

    pixels: Tensor
    noise: Tensor
    timesteps: Tensor
    texts: Tensor
    places: Tensor
    shown: Tensor
    dropped: Tensor


class FrozenPainter:
    """The painter of `model.init`, which learns nothing.

    Raises:
        ConfigError: there is none, or storybook pictures are not of the size that it paints.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.model.init is None or not Path(recipe.model.init).is_dir():
            raise ConfigError(f"model.init {recipe.model.init} is no folder; give that of a painter")
        self.name, size = recipe.model.init, recipe.data.size
        self.model = read_folder(Path(self.name))
        if recipe.data.source == "storybook":
            _require_own_size(self.model, size)
        install_processor(self.model.unet, eager=recipe.model.attention == "eager")
        if recipe.run.checkpointing:
            self.model.unet.enable_gradient_checkpointing()
        trained = {key: self.model.scheduler.get(key, value) for key, value in TRAINED.items()}
        self.settings = _settings(recipe.diffusion or DiffusionSettings(), trained["prediction_type"])
        self.scheduler = DDPMScheduler(**trained)
        self.noise = NoiseModel(self.model.unet, (size, size), torch.float32)
        self.module = nn.ModuleList([self.model.unet, self.model.vae, *self.model.text.encoders])
        self.module.requires_grad_(False).eval()

    @property
    def width(self) -> int:
        """D."""
        return int(self.model.unet.config["cross_attention_dim"])

    @property
    def sdxl(self) -> bool:
        """Whether it is an SDXL, which reads pooled states, too."""
        return uses_pooled(self.model.unet)

    def draw(
        self, found: Sequence[SubjectExample], texts: Sequence[str], random: np.random.Generator
    ) -> SubjectPictures:
        """Noise, levels of it, and weights for some pictures of subjects."""
        masks = torch.from_numpy(np.stack([each.target_mask for each in found]))
        return self.draw_pictures([each.target for each in found], texts, random, masks)

    def draw_pictures(
        self,
        found: Sequence[Pictures.Image],
        texts: Sequence[str],
        random: np.random.Generator,
        masks: Tensor | None = None,
    ) -> SubjectPictures:
        """The same for any pictures of one size; without masks [B, H, W], all of them counts alike."""
        pixels = torch.cat([pixels_of(each) for each in found])
        shape = self.latent_shape(pixels)
        masks = torch.ones(len(found), *pixels.shape[2:]) if masks is None else masks
        masks = masks[:, None].float()
        places = functional.adaptive_max_pool2d(masks, shape[1:])  # [B, 1, h, w]
        shown = 1 + self.settings.things * places
        dropped = random.random(len(found)) < self.settings.dropout
        told = ["" if gone else text for text, gone in zip(texts, dropped.tolist(), strict=True)]
        return SubjectPictures(
            pixels=pixels,
            noise=torch.from_numpy(random.standard_normal((len(found), *shape), np.float32)),
            timesteps=torch.from_numpy(timestep_sample(random, len(found))),
            texts=self.ids(told),
            places=places[:, 0],
            shown=shown / shown.mean(),
            dropped=torch.from_numpy(dropped),
        )

    def noised(self, batch: SubjectPictures) -> tuple[Tensor, Tensor]:
        """Latents under noise, and what is to be predicted of them; both [B, C, h, w]."""
        latents = reference_latent(self.model.vae, batch.pixels, torch.zeros_like(batch.noise))
        noised = self.scheduler.add_noise(latents, batch.noise, batch.timesteps)
        if self.settings.prediction == "v_prediction":
            return noised, self.scheduler.get_velocity(latents, batch.noise, batch.timesteps)
        return noised, batch.noise

    def loss(self, predicted: Tensor, target: Tensor, batch: SubjectPictures) -> tuple[Tensor, float]:
        """Squared error, weighed by noise level and cell; and by cell alone."""
        error = ((predicted - target).square() * batch.shown).mean(dim=(1, 2, 3))  # [B]
        weights = min_snr_weights(self.scheduler, batch.timesteps, self.settings)
        return (weights * error).mean(), float(error.detach().mean())

    def ids(self, texts: Sequence[str]) -> Tensor:
        """Texts -> ids [B, E, L], cut at one window."""
        return torch.tensor([self.model.text.window(text) for text in texts])

    def read(self, ids: Tensor) -> tuple[Tensor, Tensor | None]:
        """Ids [B, E, L] -> states [B, L, D], and for SDXL pooled states [B, W]; see `PromptEncoder`."""
        encoders: Any = self.model.text.encoders
        if len(encoders) == 1:
            return encoders[0](ids[:, 0]).last_hidden_state, None
        found = [each(ids[:, number], output_hidden_states=True) for number, each in enumerate(encoders)]
        states = torch.cat([each.hidden_states[-2] for each in found], dim=2)
        return states, found[1].text_embeds

    def latent_shape(self, pixels: Tensor) -> tuple[int, int, int]:
        """(C, h, w) of the latents of pictures [B, 3, H, W]."""
        channels, factor = int(self.model.vae.config["latent_channels"]), latent_factor(self.model.vae)
        return channels, pixels.shape[2] // factor, pixels.shape[3] // factor


def _require_own_size(model: PaintModel, size: int) -> None:
    """Things of other sizes and places are learned than are painted later, and nothing else tells.

    The storybook is drawn at any size; of users' pictures the size is their own choice.
    """
    cells = model.unet.config["sample_size"]  # of a few foreign painters no number, which is let pass
    own = cells * latent_factor(model.vae) if isinstance(cells, int) else size
    if own != size:
        raise ConfigError(f"data.size is {size}, and the painter of model.init paints pictures of {own} px; "
                          "make them equal")  # fmt: skip


def _settings(asked: DiffusionSettings, prediction: Any) -> DiffusionSettings:
    """The settings with what the painter predicts, which the weights of the noise levels follow."""
    if asked.prediction not in (prediction, DiffusionSettings().prediction):
        raise ConfigError(f"diffusion.prediction is {asked.prediction}, and the painter was trained with "
                          f"{prediction}; leave it out")  # fmt: skip
    return replace(asked, prediction=prediction)
