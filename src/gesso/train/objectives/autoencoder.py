"""Pictures to small latents and back: the autoencoder that a UNet paints in (arXiv 2112.10752, section 3.1).

Storybook pictures are flat colours with sharp edges, so the squared error and that of the differences between
neighbours do what networks that judge likeness do for photographs. (The absolute error leaves small things in
their mean colour for long: most of a picture is background, and to a median the rest counts little.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from gesso.config.schema import AutoencoderSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.latents import latent_factor
from gesso.diffusion.load import read_part
from gesso.nn.principal_start import principal_start
from gesso.storybook.tell import caption
from gesso.train.latents import pixel_batch
from gesso.train.objectives.sizes import arguments_of
from gesso.train.pictures import BACKGROUND, PictureStore

__all__ = ["AutoencoderBatch", "AutoencoderObjective", "edge_error"]

SCALES: Final = (1, 2, 4)  # pixels that differences are taken over
MEASURED: Final = 256  # pictures whose latents give the scaling factor
TOGETHER: Final = 16
NEAR: Final = 0.8  # share of the pieces that lie around a thing


@dataclass(frozen=True, slots=True)
class AutoencoderBatch:
    """Pieces of pictures, [B, 3, s, s], -1..1."""

    pixels: Tensor


class AutoencoderObjective:
    """An AutoencoderKL of diffusers on pieces of storybook pictures."""

    def __init__(self, recipe: Recipe) -> None:
        self.settings = recipe.autoencoder or AutoencoderSettings()
        self.seed = recipe.data.seed
        begun = recipe.model.init
        self.vae = (
            _begun(begun) if begun else AutoencoderKL(**arguments_of(recipe, "autoencoder", AutoencoderKL))
        )
        self.module: nn.Module = self.vae
        factor, crop, size = latent_factor(self.vae), self.settings.crop, recipe.data.size
        if crop % factor or size % factor or crop > size:
            raise ConfigError(f"autoencoder.crop {crop} and data.size {size} must be multiples of the "
                              f"latent's {factor} pixels, and the crop no larger")  # fmt: skip
        self.pictures = PictureStore.of(recipe.data, factor)
        if self.settings.principal:
            principal_start(self.vae, pixel_batch(self.pictures, list(range(min(MEASURED, self.examples)))))

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The way to the latent, and the way back; with `tune.encoder: 0` the latents stay as they are."""
        vae = self.vae
        return {
            "encoder": nn.ModuleList([vae.encoder, vae.quant_conv]),
            "decoder": nn.ModuleList([vae.post_quant_conv, vae.decoder]),
        }

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.pictures.count

    def batch(self, examples: list[int], number: int) -> AutoencoderBatch:
        """A piece of each picture, mostly around one of its things."""
        corners = [self._corner(index, number) for index in examples]
        whole, side = pixel_batch(self.pictures, examples), self.settings.crop
        pieces = [
            one[:, top : top + side, left : left + side]
            for one, (top, left) in zip(whole, corners, strict=True)
        ]
        return AutoencoderBatch(torch.stack(pieces))

    def loss(self, batch: AutoencoderBatch) -> tuple[Tensor, dict[str, float]]:
        """Squared error, that of edges, and divergence of the latent from a standard normal."""
        found = self.vae.encode(batch.pixels).latent_dist
        rebuilt = self.vae.decode(found.sample()).sample.float()
        level = (rebuilt - batch.pixels).square().mean()
        edges = edge_error(rebuilt, batch.pixels)
        divergence = found.kl().mean() / found.mean[0].numel()  # nats for each value of the latent
        loss = level + self.settings.edges * edges + self.settings.kl * divergence
        figures = {
            "level": float(level.detach()),
            "edges": float(edges.detach()),
            "kl": float(divergence.detach()),
            # noise that the decoder forgives, as a share of what the latent varies
            "noise": float((found.std.mean() / found.mean.std()).detach()),
        }
        return loss, {"tokens": len(batch.pixels), **figures}

    def show(self, example: int) -> str:
        """Which piece of a picture comes in, and must come out."""
        top, left = self._corner(example, 0)
        side, told = self.settings.crop, caption(self.pictures.scene(example))
        piece = f"the {side} x {side} pixels at row {top}, column {left}"
        return f"{piece} of picture {example} ({told})\nto a latent, and back: [green]the same pixels[/green]"

    def save(self, folder: Path) -> None:
        """A folder of diffusers, with the factor that brings latents to unit variance."""
        self.vae.register_to_config(scaling_factor=self.measure_scaling())
        self.vae.save_pretrained(folder)

    @torch.no_grad()
    def measure_scaling(self) -> float:
        """One over the standard deviation of the latents of some pictures."""
        self.vae.eval()
        numbers = range(min(MEASURED, self.examples))
        parts = [numbers[start : start + TOGETHER] for start in range(0, len(numbers), TOGETHER)]
        device = self.vae.device
        latents = [
            self.vae.encode(pixel_batch(self.pictures, list(part)).to(device)).latent_dist.mode()
            for part in parts
        ]
        self.vae.train()
        return float(1 / torch.cat(latents).std())

    def _corner(self, index: int, number: int) -> tuple[int, int]:
        rng = Random(f"{self.seed}/{number}/{index}")
        side, patch = self.settings.crop, self.pictures.patch
        room = self.pictures.size - side
        shown = np.argwhere(self.pictures.grid(index) != BACKGROUND)  # [n, 2] rows and columns of patches
        if not len(shown) or rng.random() > NEAR:
            return rng.randint(0, room), rng.randint(0, room)
        centre = shown[rng.randrange(len(shown))] * patch + patch // 2
        top, left = (int(middle) - side // 2 + rng.randint(-patch, patch) for middle in centre)
        return min(max(top, 0), room), min(max(left, 0), room)


def _begun(folder: str) -> AutoencoderKL:
    """The autoencoder of an earlier stage."""
    if not Path(folder).is_dir():
        raise ConfigError(f"model.init {folder} is no folder; train its recipe first")
    return read_part(AutoencoderKL, Path(folder), torch.float32)


def edge_error(rebuilt: Tensor, pixels: Tensor) -> Tensor:
    """Mean squared error of the differences between neighbours, over three scales.

    Args:
        rebuilt: [B, 3, S, S].
        pixels: [B, 3, S, S].
    """
    error, losses = rebuilt - pixels, []
    for scale in SCALES:
        # differences are linear, so those of the error are the error of those
        coarse = functional.avg_pool2d(error, scale) if scale > 1 else error
        losses += [coarse.diff(dim=2).square().mean(), coarse.diff(dim=3).square().mean()]
    return torch.stack(losses).mean()
