"""The parts of a canvas: the background, and regions that lie on a grid of 90 x 90 cells.

They hold what a program says (lllyasviel/Omost at 731e749, `lib_omost/canvas.py`), with every name of the
vocabularies spelt right; boxes, colours in RGB and prompts follow from them. All are checked when made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Any, Final, Self

from gesso.canvas.checks import (
    check_distance,
    check_keys,
    check_name,
    check_subject,
    check_text,
    check_texts,
)
from gesso.canvas.colours import COLOURS
from gesso.canvas.prompts import as_sentence
from gesso.canvas.spelling import VOCABULARIES
from gesso.canvas.vocabulary import AREAS, GRID, LOCATIONS, OFFSETS
from gesso.core.errors import CanvasError

__all__ = ["Box", "GlobalDescription", "Region", "characters", "check_field"]

Box = tuple[int, int, int, int]
"""(top, bottom, left, right) in cells; the first and third are inside, the others just outside."""

INFINITE: Final = "infinite"  # JSON has no such number
OPTIONAL: Final = ("setting", "subject")
"""Fields of a region that may be None, and are then not written."""


@dataclass(frozen=True, slots=True)
class GlobalDescription:
    """What the whole picture shows, and the colour it starts from.

    Attributes:
        description: one sentence.
        detailed_descriptions: further sentences, each on its own.
        tags: words, separated by commas.
        colour: a key of `COLOURS`.
    """

    description: str
    detailed_descriptions: tuple[str, ...]
    tags: str
    colour: str

    def __post_init__(self) -> None:
        _check_fields(self)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as (red, green, blue), each 0..255."""
        return COLOURS[self.colour]

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The sentence that also comes first in the prompts of regions."""
        return (as_sentence(self.description),)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The sentences that may be told in several prompts."""
        return tuple(as_sentence(text) for text in (*self.detailed_descriptions, self.tags))

    def to_dict(self) -> dict[str, object]:
        """A form that JSON can hold."""
        return _to_dict(self)

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """The other way round; unknown and missing keys are refused."""
        return cls(**_arguments("background", data, cls))


@dataclass(frozen=True, slots=True)
class Region:
    """A thing, where it is and how it looks.

    Attributes:
        location: a key of `LOCATIONS`.
        offset: a key of `OFFSETS`.
        area: a key of `AREAS`.
        distance_to_viewer: above 0, in no unit; only the order counts.
        description: one sentence.
        detailed_descriptions: further sentences, each on its own.
        tags: words, separated by commas.
        atmosphere: a sentence.
        style: a sentence.
        quality_meta: a sentence.
        colour: a key of `COLOURS`.
        setting: None for a region of the canvas's own background. A program may set another background
            after it has added the region, or none before: then the description that was in force, or ().
        subject: None, or who is to stand there: the name of a reference picture, see `gesso.canvas.subjects`.
    """

    location: str
    offset: str
    area: str
    distance_to_viewer: float
    description: str
    detailed_descriptions: tuple[str, ...]
    tags: str
    atmosphere: str
    style: str
    quality_meta: str
    colour: str
    setting: tuple[str, ...] | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        _check_fields(self)
        if self.setting is not None and len(self.setting) > 1:
            raise CanvasError(f"setting has {len(self.setting)} texts; give one, none, or leave it out")

    @property
    def box(self) -> Box:
        """(top, bottom, left, right) in cells of the grid."""
        x, y = (sum(pair) for pair in zip(LOCATIONS[self.location], OFFSETS[self.offset], strict=True))
        width, height = AREAS[self.area]
        edges = (y - height // 2, y + height // 2, x - width // 2, x + width // 2)
        top, bottom, left, right = (min(max(edge, 0), GRID) for edge in edges)
        return top, bottom, left, right

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as (red, green, blue), each 0..255."""
        return COLOURS[self.colour]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The sentences that may be told in several prompts."""
        marks = (self.tags, self.atmosphere, self.style, self.quality_meta)
        return tuple(as_sentence(text) for text in (*self.detailed_descriptions, *marks))

    def prefixes(self, background: GlobalDescription) -> tuple[str, ...]:
        """The sentences that begin each of its prompts, on a canvas with this background."""
        setting = (background.description,) if self.setting is None else self.setting
        return tuple(as_sentence(text) for text in (*setting, self.description))

    def to_dict(self) -> dict[str, object]:
        """A form that JSON can hold; an infinite distance is the text "infinite"."""
        data = _to_dict(self)
        if self.distance_to_viewer == inf:
            data["distance_to_viewer"] = INFINITE
        return {name: value for name, value in data.items() if name not in OPTIONAL or value is not None}

    @classmethod
    def from_dict(cls, data: object, what: str = "region") -> Self:
        """The other way round; unknown and missing keys are refused, but those of `OPTIONAL` may be missing.

        Args:
            data: what `to_dict` gives.
            what: name of the region for messages.
        """
        arguments = _arguments(what, data, cls, optional=OPTIONAL)
        if arguments["distance_to_viewer"] == INFINITE:
            arguments["distance_to_viewer"] = inf
        return cls(**arguments)


def characters(part: GlobalDescription | Region) -> int:
    """How much text a part holds."""
    values = (getattr(part, field.name) for field in fields(part))
    texts = (value if isinstance(value, tuple) else (value,) for value in values)
    return sum(len(text) for group in texts for text in group if isinstance(text, str))


def check_field(name: str, value: object) -> None:
    """Refuse a value that a field of a part may not have.

    Raises:
        CanvasError: says what came, what is allowed and what to do.
    """
    if name in VOCABULARIES:
        check_name(name, value, VOCABULARIES[name])
    elif name == "distance_to_viewer":
        check_distance(name, value)
    elif name == "detailed_descriptions" or (name == "setting" and value is not None):
        check_texts(name, value)
    elif name == "subject" and value is not None:
        check_subject(name, value)
    elif name not in OPTIONAL:
        check_text(name, value)


def _check_fields(part: GlobalDescription | Region) -> None:
    for field in fields(part):
        check_field(field.name, getattr(part, field.name))


def _to_dict(part: GlobalDescription | Region) -> dict[str, object]:
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _arguments(
    what: str, data: object, kind: type[GlobalDescription | Region], optional: Sequence[str] = ()
) -> dict[str, Any]:
    """What to make a part from: the keys checked, lists as tuples; the part itself checks the values."""
    given = check_keys(what, data, [field.name for field in fields(kind)], optional)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
