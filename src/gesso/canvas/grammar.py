"""The grammar of a planner's reply, for decoders that keep a language model inside one.

The text is in the Lark dialect of llguidance (guidance-ai/llguidance at v1.9, `docs/syntax.md`): EBNF rules
in small letters, regular expressions in capitals. Whatever follows it is read by `gesso.canvas.parse` without
a correction: every name is spelt right, every argument is there, no text is longer than a canvas may hold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from gesso.canvas.canvas import Canvas
from gesso.canvas.limits import MAX_DETAILS, MAX_REGIONS, MAX_TEXT
from gesso.canvas.notes import NOTE
from gesso.canvas.source import BEGIN, COLOUR, GLOBAL, LOCAL
from gesso.canvas.spelling import VOCABULARIES
from gesso.core.errors import UsageError

__all__ = ["LAYOUTS", "Layout", "ReplyShape", "program_in", "reply_grammar", "whole_part"]

Layout = Literal["line", "tall", "free"]
LAYOUTS: Final[tuple[Layout, ...]] = ("line", "tall", "free")

OPENING: Final = "```python\n"
CLOSING: Final = "```"
CALL_END: Final = ")\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyShape:
    r"""How a reply may look.

    The bounds end texts and lists that a model would not end itself; they are those of one reply, far below
    what a canvas may hold.

    Attributes:
        layout: "line" writes a call to a line and texts in single quotes, as the storybook does; "tall" an
            argument to a line, as `Canvas.to_source`; "free" takes both, with comments, as the published
            models write. The first two leave a model no choice but in the values, so most of a reply follows
            without asking it.
        max_regions: regions at most.
        max_details: detailed descriptions at most, of each call.
        max_text: characters of any text at most, an escape such as `\n` counted as one.
        max_note: characters of a line before the program that begins with `NOTE`; 0 for none, else it must be
            there.
    """

    layout: Layout = "line"
    max_regions: int = 24
    max_details: int = 16
    max_text: int = 600
    max_note: int = 0

    def __post_init__(self) -> None:
        """Refuse bounds that a canvas does not have."""
        if self.layout not in LAYOUTS:
            raise UsageError(f"layout {self.layout!r}; allowed: {', '.join(LAYOUTS)}")
        for name, most in (
            ("max_regions", MAX_REGIONS),
            ("max_details", MAX_DETAILS),
            ("max_text", MAX_TEXT),
        ):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 to {most}")
        if not 0 <= self.max_note <= MAX_TEXT:
            raise UsageError(f"max_note is {self.max_note}; it must be 0 to {MAX_TEXT}")


@dataclass(frozen=True, slots=True)
class _Marks:
    """What stands around arguments, as terms of the grammar."""

    opening: str
    comma: str
    ending: str
    list_opening: str
    list_comma: str
    list_ending: str
    between: str
    quotes: str = "'"


_LINE: Final = _Marks('"("', '", "', '")\\n"', '"["', '", "', '"]"', "")
_MARKS: Final[Mapping[str, _Marks]] = MappingProxyType(
    {
        "line": _LINE,
        "tall": replace(
            _LINE, opening='"(\\n    "', comma='",\\n    "', ending='",\\n)\\n"', between='"\\n"'
        ),
        "free": _Marks("OPEN", "COMMA", "END", "LIST_OPEN", "COMMA", "LIST_END", "NOTES?", quotes="'\""),
    }
)
_FREE_TERMINALS: Final = r"""
OPEN: /\([ \n]{0,12}/
COMMA: /,[ \n]{0,12}/
END: /,?[ \n]{0,12}\)\n/
LIST_OPEN: /\[[ \n]{0,12}/
LIST_END: /,?[ \n]{0,12}\]/
NOTES: /((#[^\n\r]{0,160})?\n){1,4}/
"""
# no control characters and none that end a line in some reader's eyes
_LETTER: Final = r"[^{quote}\\\x00-\x1f\x7f\u0085\u2028\u2029]"
_NOTE_LETTER: Final = r"[^`\x00-\x1f\x7f\u0085\u2028\u2029]"
# those that Python writes, without the halves of surrogate pairs
_ESCAPE: Final = (
    r"\\(['\"\\nrt]|x[0-9a-f]{{2}}|u([0-9a-cef][0-9a-f]{{3}}|d[0-7][0-9a-f]{{2}})"
    r"|U00(0[1-9a-f]|10)[0-9a-f]{{4}})"
)
_NUMBER: Final = r"0\.(0[1-9]|[1-9][0-9]?)|[1-9][0-9]{0,2}(\.[0-9]{1,2})?"


def reply_grammar(shape: ReplyShape | None = None, before: str = "") -> str:
    """The grammar of a whole reply: perhaps a note, then a fenced program, its background first.

    Args:
        shape: how the reply may look.
        before: blanks that come before it, as some models' templates have them.
    """
    shape = shape or ReplyShape()
    marks = _MARKS[shape.layout]
    most = shape.max_text
    single, double = (f"({_LETTER}|{_ESCAPE}){{{{0,{most}}}}}".format(quote=quote) for quote in "'\"")
    notes = marks.between if shape.layout == "free" else ""
    more = f"({marks.list_comma} text){{0,{shape.max_details - 1}}}" if shape.max_details > 1 else ""
    opening = f'"{NOTE}" NOTE "\n{OPENING}"' if shape.max_note else f'"{OPENING}"'
    rules = [
        f'start: "{before}" {opening} {notes} "{BEGIN}\n" {marks.between} global '
        f'({marks.between} region){{0,{shape.max_regions}}} {notes} "{CLOSING}"'.replace("\n", "\\n"),
        f'global: "canvas.set_global_description" {_arguments(GLOBAL, marks)}',
        f'region: "canvas.add_local_description" {_arguments(LOCAL, marks)}',
        f'texts: {marks.list_opening} (text {more} {marks.list_ending} | "]")',
        'text: "\'" SINGLE "\'"' + (' | "\\"" DOUBLE "\\""' if shape.layout != "line" else ""),
        f"SINGLE: /{single}/",
        f"DOUBLE: /{double}/",
        f"NUMBER: /{_NUMBER}/",
        *([f"NOTE: /{_NOTE_LETTER}{{1,{shape.max_note}}}/"] if shape.max_note else []),
        *(_names(field, names, marks.quotes) for field, names in VOCABULARIES.items()),
    ]
    return "\n".join(rules) + (_FREE_TERMINALS if shape.layout == "free" else "\n")


def program_in(canvas: Canvas, layout: Layout) -> str:
    """A canvas as a reply in a layout; "free" writes it tall. It is read back as the same canvas."""
    source = canvas.to_source(fenced=True)
    if layout == "line":  # no text holds a line break of its own, so these are the program's
        for tall, line in (("(\n    ", "("), (",\n    ", ", "), (",\n)", ")"), ("\n\n", "\n")):
            source = source.replace(tall, line)
    return source


def whole_part(reply: str) -> str | None:
    """What is whole of a reply that breaks off: up to the last whole call, with the fence closed.

    Args:
        reply: text that follows the grammar as far as it goes.

    Returns:
        A reply that can be read, or None where not even the background is whole.
    """
    begin = reply.find("canvas.set_global_description(")
    end = reply.rfind(CALL_END, max(begin, 0))
    if begin < 0 or end < 0:
        return None
    return reply[: end + len(CALL_END)] + CLOSING


def _arguments(names: Iterable[str], marks: _Marks) -> str:
    """The terms of a call's arguments, each by its name."""
    given = f" {marks.comma} ".join(f'"{name}=" {_KIND.get(name, "text")}' for name in names)
    return f"{marks.opening} {given} {marks.ending}"


_KIND: Final = {
    "location": "location",
    "offset": "offset",
    "area": "area",
    COLOUR: "colour",
    "distance_to_viewer": "NUMBER",
    "detailed_descriptions": "texts",
}


def _names(field: str, names: Iterable[str], quotes: str) -> str:
    """A rule for one of a vocabulary's names in quotes."""
    options = " | ".join(f'"{name}"' for name in names)
    quoted = " | ".join(f'"{mark}" {field.upper()} "{mark}"'.replace('"""', '"\\""') for mark in quotes)
    return f"{field}: {quoted}\n{field.upper()}: {options}"
