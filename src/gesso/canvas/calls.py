"""The two methods of a canvas program: their arguments, and what a call adds to a canvas.

Source: `set_global_description` and `add_local_description` of lllyasviel/Omost at 731e749
(`lib_omost/canvas.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.checks import shown
from gesso.canvas.limits import MAX_CHARACTERS, MAX_REGIONS
from gesso.canvas.parts import GlobalDescription, Region, characters, check_field
from gesso.canvas.source import COLOUR, GLOBAL, LOCAL, SUBJECT
from gesso.canvas.spelling import VOCABULARIES, Correction, nearest
from gesso.core.errors import CanvasError

__all__ = ["METHODS", "NO_SUBJECT", "Argument", "Draft"]

METHODS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"set_global_description": GLOBAL, "add_local_description": LOCAL}
)
"""Method -> the names of its published arguments, in order; all are required."""

NO_SUBJECT: Final = (
    "a subject names a file, which only a canvas file of your own may do: JSON, or a program with nothing "
    "around it; remove it here, and say who stands in the region when you paint, as --subject 1=cat.png"
)
"""Why a reply may not name a subject."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A value in a call: its name, None if it is given by place, and its line."""

    name: str | None
    value: object
    line: int


class Draft:
    """A canvas while its program is read.

    Args:
        subjects: whether regions may name subjects; see `gesso.canvas.parse`.

    Attributes:
        parts: what the calls have given, in order. A region's setting is () if no background was set before.
    """

    def __init__(self, *, subjects: bool = False) -> None:
        self._subjects = subjects
        self.parts: list[GlobalDescription | Region] = []
        self._regions = self._characters = 0

    def __repr__(self) -> str:
        return "Canvas()"

    def call(self, method: str, arguments: Sequence[Argument], line: int) -> tuple[Correction, ...]:
        """Carry out a call; gives the names that were corrected, in the original's order.

        Args:
            method: a key of `METHODS`.
            arguments: in the order they were written.
            line: of the call; all lines may count from anywhere.

        Raises:
            CanvasError: an argument is missing, unknown, given twice or not allowed.
        """
        given = _bound(method, arguments, line)
        if SUBJECT in given and not self._subjects:
            raise CanvasError(NO_SUBJECT, given[SUBJECT].line)
        values = {_field(name): _checked(_field(name), argument) for name, argument in given.items()}
        try:
            self._add(method, values)
        except CanvasError as error:
            raise error.at(line) from None
        return tuple(_corrections(given, values))

    def canvas(self) -> Canvas:
        """The canvas that the calls so far give.

        Raises:
            CanvasError: they do not describe the whole picture.
        """
        backgrounds = [part for part in self.parts if isinstance(part, GlobalDescription)]
        if not backgrounds:
            raise CanvasError("the canvas has no background; call canvas.set_global_description first")
        return Canvas(backgrounds[-1], tuple(self._settled(backgrounds[-1])))

    def _settled(self, last: GlobalDescription) -> Iterator[Region]:
        """The regions, each with the description that was in force when it was added."""
        setting: tuple[str, ...] | None = ()
        for part in self.parts:
            if isinstance(part, GlobalDescription):
                setting = None if part.description == last.description else (part.description,)
            else:
                yield part if part.setting == setting else replace(part, setting=setting)

    def _add(self, method: str, values: Mapping[str, Any]) -> None:
        part: GlobalDescription | Region
        if method == "set_global_description":
            part = GlobalDescription(**values)
        else:
            begun = self._regions < len(self.parts)  # the other parts are backgrounds
            part = Region(**values, setting=None if begun else ())
            self._regions += 1
        self._characters += characters(part)
        if self._regions > MAX_REGIONS:
            raise CanvasError(f"more than {MAX_REGIONS} regions; leave some out")
        if self._characters > MAX_CHARACTERS:
            raise CanvasError(f"more than {MAX_CHARACTERS} characters of text in all; shorten the texts")
        self.parts.append(part)


def _bound(method: str, arguments: Sequence[Argument], line: int) -> dict[str, Argument]:
    """Argument name -> argument, in the method's order."""
    names = METHODS[method]
    bound: dict[str, Argument] = {}
    for index, argument in enumerate(arguments):
        if argument.name is None and index >= len(names):
            raise CanvasError(f"{method} takes {len(names)} arguments; remove the others", argument.line)
        name = argument.name or names[index]
        if name not in names and not (name == SUBJECT and names is LOCAL):
            raise CanvasError(
                f"{method} has no argument {shown(name)}; it takes: {', '.join(names)}", argument.line
            )
        if name in bound:
            raise CanvasError(f"{method} is given {name} twice; remove one", argument.line)
        bound[name] = argument
    missing = [name for name in names if name not in bound]
    if missing:
        raise CanvasError(f"{method} lacks {', '.join(missing)}; add it", line)
    return {name: bound[name] for name in (*names, SUBJECT) if name in bound}


def _field(argument: str) -> str:
    """The name that a canvas's values have for an argument."""
    return "colour" if argument == COLOUR else argument


def _checked(field: str, argument: Argument) -> object:
    """The value as a canvas holds it."""
    try:
        value = _converted(field, argument.value)
        check_field(field, value)
    except CanvasError as error:
        raise error.at(argument.line) from None
    return value


def _converted(field: str, value: object) -> object:
    if field in VOCABULARIES:
        return nearest(field, value)
    if field == "detailed_descriptions":
        if isinstance(value, list):
            return tuple(value)
        raise CanvasError(f"{field} is {shown(value)}; write a list of strings: ['...', '...']")
    return int(value) if isinstance(value, bool) and field == "distance_to_viewer" else value


def _corrections(given: Mapping[str, Argument], values: Mapping[str, object]) -> Iterator[Correction]:
    for name, argument in given.items():
        used = values[_field(name)]
        came = argument.value
        if _field(name) in VOCABULARIES and isinstance(came, str) and came.lower() != used:
            yield Correction(_field(name), came, str(used), argument.line)
