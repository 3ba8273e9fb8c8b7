"""Reference pictures of a subject: where in them it is, at the size a model looks at.

Follows bytedance/MoMA at 1748535, which squashes every picture to 512 x 512 and refuses transparency; here
the shape is kept, and transparency tells where the subject is.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from gesso.core.errors import UsageError

__all__ = ["Fit", "Reference", "prepare_reference"]

Fit = Literal["keep", "squash"]
"""What becomes of pictures that are not square: their shape is kept, or, as in the original, not."""

BILINEAR: Final = Pictures.Resampling.BILINEAR
WHITE: Final = 255


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A subject's picture and mask, both of one size.

    Attributes:
        image: RGB, with its own background.
        mask: [rows, columns], true where the subject is.
    """

    image: Pictures.Image
    mask: NDArray[np.bool_]

    def on_white(self) -> Pictures.Image:
        """The subject alone on white, in the middle of a square: what a language model sees."""
        pixels = np.where(self.mask[..., None], np.asarray(self.image), np.uint8(WHITE))
        picture = Pictures.fromarray(pixels)
        side = max(picture.size)
        if picture.size == (side, side):
            return picture
        square = Pictures.new("RGB", (side, side), "white")
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        return square


def prepare_reference(
    image: Pictures.Image,
    mask: Pictures.Image,
    side: int = 512,
    *,
    grain: int = 64,
    fit: Fit = "keep",
    threshold: int = 0,
) -> Reference:
    """A reference at the size a model looks at.

    Args:
        image: RGB.
        mask: white, or any light grey, where the subject is; stretched to the picture.
        side: of a square of the same area, in pixels.
        grain: sides are multiples of this many pixels.
        fit: see `Fit`.
        threshold: grey levels of the mask above this are subject, after resizing; the original takes 0, so
            that soft edges and the noise of JPEG masks count.

    Raises:
        UsageError: the mask is empty, or the threshold no grey level.
    """
    if not 0 <= threshold < WHITE:
        raise UsageError(f"the threshold of a mask is {threshold}; it must be in 0..254")
    size = (side, side) if fit == "squash" else _fitted(image.size, side, grain)
    inside = np.asarray(mask.convert("L").resize(size, BILINEAR)) > threshold
    if not inside.any():
        raise UsageError(
            "the mask is empty: nothing in it is lighter than "
            f"{threshold}; make the subject white, or leave the mask out to have it found"
        )
    return Reference(image.convert("RGB").resize(size, BILINEAR), inside)


def _fitted(size: tuple[int, int], side: int, grain: int) -> tuple[int, int]:
    """About as many pixels as the square, in the picture's shape, in whole grains."""
    scale = side / sqrt(size[0] * size[1])
    # no longer than three squares: attention takes the square of the longer side
    width, height = (min(3 * side, max(grain, round(each * scale / grain) * grain)) for each in size)
    return width, height
