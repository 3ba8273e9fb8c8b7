"""What towers want of pixels: size, padding and normalisation, bit for bit as CLIP's processor makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import read_json

__all__ = ["Normaliser", "PixelSettings", "cut_square", "pad_to_square"]

RGB = tuple[float, float, float]
# processor_config.json is what a whole transformers processor is saved as; it holds the same values one
# level down
_READ: Final = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSettings:
    """How grey levels become numbers; the defaults are those of OpenAI's CLIP.

    Attributes:
        mean: of each channel, on the scale 0 to 1.
        std: standard deviation of each channel, on the same scale.
        rescale: factor from grey levels to that scale.
        resample: PIL's number of the filter for resizing.
        shortest_edge: what pictures are resized to before they are cut; None is the tile's side.
    """

    mean: RGB = (0.48145466, 0.4578275, 0.40821073)
    std: RGB = (0.26862954, 0.26130258, 0.27577711)
    rescale: float = 1 / 255
    resample: int = Image.Resampling.BICUBIC
    shortest_edge: int | None = None

    @property
    def fill(self) -> tuple[int, ...]:
        """The mean colour in grey levels, so that padding is about zero once normalised."""
        # cut down as the original does
        return tuple(int(255 * mean) for mean in self.mean)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read a checkpoint's image processor settings; CLIP's if the folder has none.

        Raises:
            CheckpointError: the file is damaged, or asks for steps that this model does not have.
        """
        for name in _READ:
            if (folder / name).is_file():
                values = read_json(folder / name)
                return cls.from_values(values.get("image_processor", values))
        return cls()

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Read the values of a `preprocessor_config.json`; see `from_folder`."""
        # absent means on: OpenAI's file says nothing of rescaling, which came later
        off = [name for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
               if not values.get(name, True)]  # fmt: skip
        if off:
            raise CheckpointError(f"the image processor switches off {', '.join(off)}; "
                                  "its tower needs all of them, remove these lines")  # fmt: skip
        size = values.get("size")
        if isinstance(size, Mapping) and "shortest_edge" not in size:
            raise CheckpointError(f"the image processor resizes to {dict(size)}; its tower takes a "
                                  "shortest_edge, which keeps the picture's shape")  # fmt: skip
        default = cls()
        return cls(
            mean=tuple(values.get("image_mean", default.mean)),
            std=tuple(values.get("image_std", default.std)),
            rescale=values.get("rescale_factor", default.rescale),
            resample=values.get("resample", default.resample),
            # a plain number in OpenAI's own file
            shortest_edge=size.get("shortest_edge") if isinstance(size, Mapping) else size,
        )

    def to_values(self, side: int) -> dict[str, Any]:
        """The values of a `preprocessor_config.json` for tiles of `side` pixels; inverse of `from_values`."""
        return {
            "image_mean": list(self.mean),
            "image_std": list(self.std),
            "rescale_factor": self.rescale,
            "resample": int(self.resample),
            "size": {"shortest_edge": self.shortest_edge or side},
            "crop_size": {"height": side, "width": side},
        }


class Normaliser:
    """Turns RGB pictures into numbers by the settings.

    Args:
        pixels: the settings.
    """

    def __init__(self, pixels: PixelSettings) -> None:
        self._numbers = _number_of_grey(pixels)

    def __call__(self, image: Image.Image) -> Tensor:
        """A picture of W x H pixels as [3, H, W]."""
        grey = np.asarray(image)  # [H, W, 3]
        # a number depends on its grey level and channel alone, so it is looked up: [H, W] x 3 -> [3, H, W]
        planes = np.stack([self._numbers[channel][grey[..., channel]] for channel in range(3)])
        return torch.from_numpy(planes)


def cut_square(image: Image.Image, side: int, *, edge: int, resample: int) -> Image.Image:
    """Resize the shortest edge, then cut the middle out.

    Args:
        image: the picture.
        side: of the square, in pixels.
        edge: what the shortest edge is resized to, in pixels; at least `side`.
        resample: PIL's number of the filter for resizing.
    """
    short = min(image.size)
    # cut down like transformers' `get_resize_output_image_size`; int() and round() differ by a pixel
    width, height = (edge if length == short else int(edge * length / short) for length in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), resample)
    if (width, height) == (side, side):
        return image
    # the odd pixel goes to the right and below, as in transformers' center_crop
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def pad_to_square(image: Image.Image, fill: tuple[int, ...]) -> Image.Image:
    """The picture in the middle of a square of one colour (LLaVA's `expand2square`)."""
    side = max(image.size)
    if image.size == (side, side):
        return image
    square = Image.new("RGB", (side, side), fill)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def _number_of_grey(pixels: PixelSettings) -> NDArray[np.float32]:
    """What each grey level becomes in each channel, [3, 256], in the arithmetic of transformers' CLIP."""
    grey = np.arange(256, dtype=np.uint8)
    # transformers rescales in double precision, then goes on in single; another order differs in the last bit
    scaled = (grey.astype(np.float64) * pixels.rescale).astype(np.float32)
    mean, std = np.array(pixels.mean, np.float32), np.array(pixels.std, np.float32)
    return (scaled - mean[:, None]) / std[:, None]  # [256] and [3, 1] -> [3, 256]
