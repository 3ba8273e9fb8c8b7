"""Latents to pictures, in full by the VAE or as a cheap preview by a linear map.

Letters: B pictures, C channels of the latent, h x w its size, H x W the picture's.
"""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from PIL import Image as Pictures
from torch import Tensor
from torch.nn import functional

from gesso.diffusion.latents import encode_pixels, latent_factor

__all__ = ["LinearPreview", "decode_pixels", "pictures_of"]

SAMPLES = 24
"""Random pictures from which a linear preview is fitted."""

CELLS = 16
"""Side of their latents."""


@torch.no_grad()
def decode_pixels(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pixels [B, 3, H, W] of latents [B, C, h, w], about -1..1, one picture at a time to save memory."""
    place = next(vae.parameters())
    unscaled = latents / vae.config["scaling_factor"] + (vae.config["shift_factor"] or 0.0)
    return torch.cat([vae.decode(one.to(place), return_dict=False)[0].float() for one in unscaled.split(1)])


def pictures_of(pixels: Tensor) -> list[Pictures.Image]:
    """Pictures of pixels [B, 3, H, W]: -1..1 to 0..255, clipped, then cut to whole numbers, not rounded.

    Source: `lib_omost/utils.py` of lllyasviel/Omost at 731e749.
    """
    grey = (pixels.float().cpu() * 127.5 + 127.5).clamp(0, 255).to(torch.uint8)
    return [Pictures.fromarray(one.numpy()) for one in grey.permute(0, 2, 3, 1)]  # [B, H, W, 3]


@dataclass(frozen=True, slots=True, eq=False)
class LinearPreview:
    """A map from a cell of the latent to its colour: a thousandth of the work of decoding.

    Attributes:
        weight: [C + 1, 3]; the last row is added.
    """

    weight: Tensor

    @classmethod
    def fit(cls, vae: AutoencoderKL) -> "LinearPreview":
        """The map that fits this VAE best, by least squares over smooth random pictures."""
        generator = torch.Generator("cpu").manual_seed(0)
        coarse = torch.rand(SAMPLES, 3, 4, 4, generator=generator) * 2 - 1
        cells = functional.interpolate(coarse, size=(CELLS, CELLS), mode="bilinear")
        pixels = functional.interpolate(cells, scale_factor=latent_factor(vae), mode="nearest")
        latents = torch.cat([encode_pixels(vae, one).cpu() for one in pixels.split(4)])
        return cls(torch.linalg.lstsq(_rows(latents), cells.movedim(1, 3).flatten(0, 2)).solution)

    def pictures(self, latents: Tensor) -> list[Pictures.Image]:
        """Small pictures, one pixel for each cell, of latents [B, C, h, w]."""
        batch, _, height, width = latents.shape
        colours = _rows(latents.float().cpu()) @ self.weight  # [B * h * w, 3]
        return pictures_of(colours.view(batch, height, width, 3).movedim(3, 1))


def _rows(latents: Tensor) -> Tensor:
    """Cells as rows, each with a 1 behind it: [B, C, h, w] -> [B * h * w, C + 1]."""
    rows = latents.movedim(1, 3).flatten(0, 2)
    return functional.pad(rows, (0, 1), value=1.0)
