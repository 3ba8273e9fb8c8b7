"""The words a canvas program may use, and where they lie on the 90 x 90 grid.

Source: the enumerations in Omost's system prompt (lllyasviel/Omost at 731e749, `lib_omost/canvas.py`).
"""

from types import MappingProxyType
from typing import Final

__all__ = ["AREAS", "GRID", "LOCATIONS", "OFFSETS"]

GRID: Final = 90
"""Side of the layout grid, in cells; it is stretched to any picture's aspect ratio."""

LOCATIONS: Final = MappingProxyType(
    {
        "in the center": (45, 45),
        "on the left": (15, 45),
        "on the right": (75, 45),
        "on the top": (45, 15),
        "on the bottom": (45, 75),
        "on the top-left": (15, 15),
        "on the top-right": (75, 15),
        "on the bottom-left": (15, 75),
        "on the bottom-right": (75, 75),
    }
)
"""Location name -> centre (x, y) in cells."""

OFFSETS: Final = MappingProxyType(
    {
        "no offset": (0, 0),
        "slightly to the left": (-10, 0),
        "slightly to the right": (10, 0),
        "slightly to the upper": (0, -10),
        "slightly to the lower": (0, 10),
        "slightly to the upper-left": (-10, -10),
        "slightly to the upper-right": (10, -10),
        "slightly to the lower-left": (-10, 10),
        "slightly to the lower-right": (10, 10),
    }
)
"""Offset name -> shift (dx, dy) in cells."""

AREAS: Final = MappingProxyType(
    {
        "a small square area": (50, 50),
        "a small vertical area": (40, 60),
        "a small horizontal area": (60, 40),
        "a medium-sized square area": (60, 60),
        "a medium-sized vertical area": (50, 80),
        "a medium-sized horizontal area": (80, 50),
        "a large square area": (70, 70),
        "a large vertical area": (60, 90),
        "a large horizontal area": (90, 60),
    }
)
"""Area name -> (width, height) in cells."""
