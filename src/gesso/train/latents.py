"""Latents of storybook pictures for training, encoded once and kept on disk."""

from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from gesso.diffusion.latents import encode_pixels, latent_factor
from gesso.train.arrays import open_array
from gesso.train.pictures import PictureStore

__all__ = ["LatentStore", "pixel_batch"]


class LatentStore:
    """The likeliest latents of pictures, scaled as a UNet wants them.

    Those of a batch that are not there yet are encoded together, by whichever process asks for them.

    Args:
        folder: where the arrays lie; another autoencoder starts new ones.
        pictures: the pictures.
        vae: the autoencoder, which is only read.
    """

    def __init__(self, folder: Path, pictures: PictureStore, vae: AutoencoderKL) -> None:
        self.pictures, self._vae = pictures, vae.eval().requires_grad_(False)
        side = pictures.size // latent_factor(vae)
        self.shape = (vae.config["latent_channels"], side, side)
        name = f"latents-{pictures.seed}-{pictures.count}-{pictures.size}-{_digest(vae, pictures)}"
        (folder / name).mkdir(parents=True, exist_ok=True)
        self._latents = open_array(folder / name / "latents.npy", (pictures.count, *self.shape), np.float16)
        self._made = open_array(folder / name / "made.npy", (pictures.count,), np.uint8)

    def batch(self, examples: list[int]) -> Tensor:
        """Latents of these pictures, [B, C, h, w] float32."""
        missing = [index for index in dict.fromkeys(examples) if not self._made[index]]
        if missing:
            pixels = pixel_batch(self.pictures, missing)
            self._latents[missing] = encode_pixels(self._vae, pixels).cpu().numpy()
            self._made[missing] = 1  # last, so that interrupted work is done again
        chosen: NDArray[np.float16] = self._latents[examples]
        return torch.from_numpy(chosen.astype(np.float32))


def pixel_batch(pictures: PictureStore, examples: list[int]) -> Tensor:
    """Pictures of these numbers as an autoencoder takes them: [B, 3, S, S], -1..1."""
    pixels = torch.from_numpy(np.stack([pictures.pixels(index) for index in examples]))
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1  # [B, S, S, 3] -> [B, 3, S, S]


def _digest(vae: AutoencoderKL, pictures: PictureStore) -> str:
    """What the latents follow from in short: scenes, drawing, the autoencoder's weights and scaling."""
    settings = f"{pictures.things} {vae.config['scaling_factor']} {vae.config['shift_factor']}"
    settings += f" rare {pictures.rare}" if pictures.rare else ""
    settings += "" if pictures.offsets else " placed"
    seen = blake2b(settings.encode(), digest_size=4)
    seen.update(pictures.pixels(0).tobytes())
    for name, weight in vae.state_dict().items():
        seen.update(name.encode())
        seen.update(weight.detach().cpu().float().numpy().tobytes())
    return seen.hexdigest()
