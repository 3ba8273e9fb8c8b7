"""Stickers of cut paper: what is painted apart and pasted onto a picture with an edge and a soft shadow."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from PIL import Image, ImageChops, ImageFilter

from gesso.storybook.palette import PATTERN_SHIFT, Paint

__all__ = ["BORDER", "SILHOUETTE", "Frame", "Sticker", "paste"]

BORDER: Final = 0.0095  # width of the paper edge, as a fraction of the picture
SHADOW_RGB: Final = (24, 22, 44)
# a shadow tells a white thing on snow from its ground, and keeps a dark one apart at night
SHADOW_STRENGTH: Final = 0.38

# an index of 32 and more is the same paint under a pattern (see `palette`)
SILHOUETTE: Final = [0 if index % PATTERN_SHIFT == Paint.NOTHING else 255 for index in range(256)]
_SHADOW: Final = [round(SHADOW_STRENGTH * value) for value in range(256)]


@dataclass(frozen=True, slots=True)
class Frame:
    """The crop a thing is painted in: its square and room for edge and shadow.

    Attributes:
        left: left edge in pixels of the picture.
        top: upper edge in pixels of the picture.
        extent: width and height in pixels of the picture.
        fine: supersampling, pixels of the crop per pixel of the picture.
        square: left, top and side of the thing's square inside the crop, in pixels of the crop.
    """

    left: int
    top: int
    extent: int
    fine: int
    square: tuple[float, float, float]

    def shifted(self, x: float, y: float) -> tuple[int, int, int, int]:
        """Where the crop lies in the picture, moved by whole pixels nearest to (x, y)."""
        left, top = self.left + round(x), self.top + round(y)
        return left, top, left + self.extent, top + self.extent


@dataclass(frozen=True, slots=True)
class Sticker:
    """A thing cut out of paper: RGB colours and L silhouette of one frame, at the picture's resolution."""

    frame: Frame
    colours: Image.Image
    silhouette: Image.Image


def paste(picture: Image.Image, sticker: Sticker, border: float) -> Image.Image:
    """Put shadow, paper edge and colours onto the picture and return the shape of the paper."""
    # never less than the thing itself: a blur eats away thin parts such as whiskers
    paper = ImageChops.lighter(_grown(sticker.silhouette, border), sticker.silhouette)
    shadow = paper.filter(ImageFilter.BoxBlur(border)).point(_SHADOW)
    picture.paste(SHADOW_RGB, sticker.frame.shifted(0.5 * border, 1.4 * border), shadow)
    picture.paste(sticker.colours, sticker.frame.shifted(0, 0), paper)
    return paper


def _grown(silhouette: Image.Image, width: float) -> Image.Image:
    """The silhouette grown by `width` pixels: a blur, cut where a straight edge has moved that far."""
    return silhouette.filter(ImageFilter.BoxBlur(1.5 * width)).point(_growth_levels(width))


@lru_cache(maxsize=64)
def _growth_levels(width: float) -> list[int]:
    window = 3 * width + 1  # pixels that the blur averages
    reached = (0.5 * width + 0.5) / window  # its value `width` outside a straight edge
    return [min(255, max(0, round(255 * (0.5 + (value / 255 - reached) * window)))) for value in range(256)]
