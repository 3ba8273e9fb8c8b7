"""Latents to begin with: nothing, a canvas, a picture; the noise over them; and which part of them stays.

Letters: B pictures, C channels of the latent, h x w its size, H x W the picture's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image as Pictures
from torch import Tensor
from torch.nn import functional

from gesso.core.errors import UsageError

__all__ = [
    "Inpaint",
    "blur_canvas",
    "canvas_latent",
    "draw_noise",
    "encode_pixels",
    "generators_for",
    "latent_factor",
    "picture_latent",
    "pixels_of",
]

BLUR: Final = 81
"""Side of the mean filter over a canvas picture, in cells (lllyasviel/Omost at 731e749, `gradio_app.py`)."""


def latent_factor(vae: AutoencoderKL) -> int:
    """Pixels along one side of a cell of the latent."""
    return int(2 ** (len(vae.config["block_out_channels"]) - 1))


def generators_for(seed: int, batch: int) -> list[torch.Generator]:
    """A source of noise for each picture of a batch: picture i is what seed + i gives alone."""
    return [torch.Generator("cpu").manual_seed(seed + number) for number in range(batch)]


def draw_noise(generators: Sequence[torch.Generator], shape: tuple[int, int, int]) -> Tensor:
    """Standard normal noise [B, C, h, w] on the CPU; each picture's comes from its own generator."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])


def pixels_of(picture: Pictures.Image) -> Tensor:
    """A picture as values -1..1, [1, 3, H, W]; transparency is not read."""
    array = np.asarray(picture.convert("RGB"), dtype=np.float32)
    return (torch.from_numpy(array) / 127.5 - 1).permute(2, 0, 1)[None]  # [H, W, 3] -> [1, 3, H, W]


def blur_canvas(canvas: Pictures.Image) -> Tensor:
    """A canvas picture without its edges, values -1..1, [1, 3, H, W]: mirrored at the border, averaged."""
    if min(canvas.size) <= BLUR // 2:
        raise UsageError(
            f"a canvas picture of {canvas.size[0]} x {canvas.size[1]} came; "
            f"each side must be more than {BLUR // 2} pixels, as the 90 x 90 of a Canvas"
        )
    margin = BLUR // 2
    padded = functional.pad(pixels_of(canvas), (margin, margin, margin, margin), mode="reflect")
    return functional.avg_pool2d(padded, BLUR, stride=1)


def canvas_latent(vae: AutoencoderKL, canvas: Pictures.Image, size: tuple[int, int]) -> Tensor:
    """The latent [1, C, h, w] of a canvas picture, blurred and stretched to (width, height) pixels."""
    pixels = functional.interpolate(blur_canvas(canvas), size=size[::-1], mode="nearest")
    return encode_pixels(vae, pixels)


def picture_latent(vae: AutoencoderKL, picture: Pictures.Image, size: tuple[int, int]) -> Tensor:
    """The latent [1, C, h, w] of a picture, which is resized to (width, height) pixels first."""
    fitted = picture if picture.size == size else picture.resize(size, Pictures.Resampling.LANCZOS)
    return encode_pixels(vae, pixels_of(fitted))


@torch.no_grad()
def encode_pixels(vae: AutoencoderKL, pixels: Tensor) -> Tensor:
    """The likeliest latent [B, C, h, w], scaled as the UNet wants it, of pixels -1..1 [B, 3, H, W]."""
    place = next(vae.parameters())
    mode: Tensor = vae.encode(pixels.to(place)).latent_dist.mode().float()
    scale: float = vae.config["scaling_factor"]
    return (mode - (vae.config["shift_factor"] or 0.0)) * scale


@dataclass(frozen=True, slots=True, eq=False)
class Inpaint:
    """A picture of which only a part is painted anew.

    Attributes:
        picture: what is there.
        mask: black where the picture stays, white where it is painted anew; of the picture's size.
        feather: width of the border inside the white part in which both pictures blend, in pixels.

    Raises:
        UsageError: sizes differ, the mask has no white in it, or the feather is negative.
    """

    picture: Pictures.Image
    mask: Pictures.Image
    feather: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot be painted."""
        if self.mask.size != self.picture.size:
            raise UsageError(
                f"the mask is {self.mask.size[0]} x {self.mask.size[1]} and the picture "
                f"{self.picture.size[0]} x {self.picture.size[1]}; they must be of one size"
            )
        if not self.mask.convert("L").getbbox():
            raise UsageError("the mask is black everywhere; make white what is to be painted anew")
        if self.feather < 0:
            raise UsageError(f"feather is {self.feather}; it must be >= 0 pixels")

    def latent_mask(self, shape: tuple[int, int]) -> Tensor:
        """1 at each cell of the latent that the white part touches: [1, 1, h, w]."""
        return functional.adaptive_max_pool2d((self._white() > 0).float(), shape)

    def blend(self, painted: Pictures.Image) -> Pictures.Image:
        """The painted picture inside, the old one outside, where every pixel stays as it was."""
        share = self._shares()[0, 0, :, :, None].numpy()  # [1, 1, H, W] -> [H, W, 1]
        old = np.asarray(self.picture.convert("RGB"), dtype=np.float32)
        new = np.asarray(painted.convert("RGB"), dtype=np.float32)
        mixed = np.where(share > 0, old + share * (new - old), old)
        return Pictures.fromarray(mixed.round().astype(np.uint8))

    def _white(self) -> Tensor:
        array = np.asarray(self.mask.convert("L"), dtype=np.float32)
        return torch.from_numpy(array)[None, None] / 255  # [1, 1, H, W]

    def _shares(self) -> Tensor:
        """Share of the new picture at each pixel: 0 outside the white part, rising to 1 inside it."""
        white = self._white()
        if not self.feather:
            return white
        side = 2 * self.feather + 1
        # the picture's own edge is no border: nothing stays beyond it
        margins = (self.feather,) * 4
        core = -functional.max_pool2d(-_widen(white, margins), side, stride=1)
        soft = functional.avg_pool2d(_widen(core, margins), side, stride=1)
        return torch.minimum(soft, white)


def _widen(grid: Tensor, margins: tuple[int, ...]) -> Tensor:
    return functional.pad(grid, margins, mode="replicate")
