"""Near misses of the four vocabularies: a planner writes "on the topleft" and means "on the top-left".

Source: the lookup of lllyasviel/Omost at 731e749 (`lib_omost/canvas.py`): lower-case, then the nearest name
by difflib if its ratio reaches 0.5; of equally near names the alphabetically last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from gesso.canvas.checks import check_text, listed, shown
from gesso.canvas.colours import COLOURS
from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.core.errors import CanvasError

__all__ = ["VOCABULARIES", "Correction", "nearest"]

VOCABULARIES: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {"location": LOCATIONS, "offset": OFFSETS, "area": AREAS, "colour": COLOURS}
)
"""Field -> the names it may have."""

CUTOFF: Final = 0.5
LONGEST_MISS: Final = 3 * max(len(name) for names in VOCABULARIES.values() for name in names)
"""A longer text cannot reach the cutoff: the ratio is at most 2 * option / (option + text)."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A name that was read as another.

    Attributes:
        field: "location", "offset", "area" or "colour".
        came: the name as it was written.
        used: the name it stands for.
        line: line of the text that was read, counted from 1.
    """

    field: str
    came: str
    used: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line}: {self.field} {self.came!r} was read as {self.used!r}"


def nearest(field: str, came: object) -> str:
    """The name of a vocabulary that a text stands for.

    Args:
        field: a key of `VOCABULARIES`.
        came: what was written.

    Raises:
        CanvasError: it is no text, or no name is near enough.
    """
    check_text(field, came)
    name = _nearest(field, str(came).lower()) if len(str(came)) <= LONGEST_MISS else None
    if name is None:
        options = VOCABULARIES[field]
        raise CanvasError(
            f"{field} is {shown(came)}, which is near no known one; use one of: {listed(options)}"
        )
    return name


@lru_cache(maxsize=4096)
def _nearest(field: str, written: str) -> str | None:
    options = VOCABULARIES[field]
    if written in options:
        return written
    return next(iter(get_close_matches(written, options, n=1, cutoff=CUTOFF)), None)
