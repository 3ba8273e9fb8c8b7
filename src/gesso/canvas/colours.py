"""The 149 colour names of canvas programs: CSS's 148, which Pillow knows, and one more.

Source: the colour table of lllyasviel/Omost at 731e749 (`lib_omost/canvas.py`).
"""

from types import MappingProxyType
from typing import Final

from PIL import ImageColor

__all__ = ["COLOURS", "luminance"]

RGB = tuple[int, int, int]


def _rgb(name: str) -> RGB:
    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue


COLOURS: Final = MappingProxyType(
    {**{name: _rgb(name) for name in sorted(ImageColor.colormap)}, "navyblue": _rgb("navy")}
)
"""Colour name -> (red, green, blue), each 0..255."""


def luminance(rgb: RGB) -> float:
    """How bright a colour looks, 0..1 (relative luminance of WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
