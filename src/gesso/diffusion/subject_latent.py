"""A reference picture as the latent of the reference pass, and the sampler MoMA paints with.

Letters: B pictures, C channels of the latent, h x w its size, H x W the picture's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from gesso.diffusion.schedule import make_scheduler

__all__ = ["SAMPLER", "SAMPLER_CONFIG", "noised_reference", "reference_latent"]

SAMPLER: Final = "DDIMScheduler"

SAMPLER_CONFIG: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    }
)
"""DDIM (arXiv 2010.02502) as bytedance/MoMA at 1748535 sets it; 50 steps, guidance scale 7.5 there."""


@torch.no_grad()
def reference_latent(vae: AutoencoderKL, pixels: Tensor, noise: Tensor) -> Tensor:
    """A sampled latent [B, C, h, w], scaled as the UNet wants it.

    Args:
        vae: the model.
        pixels: [B, 3, H, W], -1..1.
        noise: [B, C, h, w], standard normal. The original draws it from a generator that its seed does not
            reach, so that the same call gives other pictures.
    """
    place = next(vae.parameters())
    found = vae.encode(pixels.to(place)).latent_dist
    sample: Tensor = (found.mean + found.std * noise.to(place)).float()
    scale: float = vae.config["scaling_factor"]
    return (sample - (vae.config["shift_factor"] or 0.0)) * scale


def noised_reference(latent: Tensor, noise: Tensor, config: Mapping[str, Any] = SAMPLER_CONFIG) -> Tensor:
    """A latent [B, C, h, w] under the noise of timestep 0, the least there is in training."""
    first = torch.zeros(len(latent), dtype=torch.long, device=latent.device)
    noised: Tensor = make_scheduler(SAMPLER, config).add_noise(latent, noise.to(latent), first)
    return noised
