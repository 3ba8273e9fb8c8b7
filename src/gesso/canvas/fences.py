"""Finds the program in a planner's reply, line by line.

The original (lllyasviel/Omost at 731e749, `lib_omost/canvas.py`) takes what lies between the first
"```python" at a line's end and the next line that begins with three backticks. It is taken here too. Where
there is none, gesso also knows, best first: blocks with a tag like "```py " or "```Python", or a carriage
return behind it; blocks without a tag; text without a block. The last two must begin with an assignment or a
use of `canvas`. A block may be cut off.
"""

import re
from enum import Enum, IntEnum, auto
from typing import Final

__all__ = ["NO_CODE", "Mark", "ProgramFinder", "Source"]

FENCE: Final = "```"
PUBLISHED_FENCE: Final = "```python"
_OPENING: Final = re.compile(r"\s*+`{3,}+[ \t]*+(python3?|py|)\s*+", re.IGNORECASE)
_PROGRAM_LINE: Final = re.compile(r"\s*(?:canvas\s*(?:\.\w|:[^=]*=)|[^\W\d]\w*\s*=(?!=))")
NO_CODE: Final = re.compile(r"\s*(?:#.*)?")


class Source(IntEnum):
    """Where a program was found; a higher one is preferred."""

    NOWHERE = auto()
    BARE = auto()
    PLAIN_BLOCK = auto()
    TAGGED_BLOCK = auto()
    PUBLISHED_BLOCK = auto()


class Mark(Enum):
    """What a line is to the program."""

    OUTSIDE = auto()
    OPENS = auto()  # a program begins behind this line; what was found before does not count
    BEGINS = auto()  # a program begins with this line; what was found before does not count
    INSIDE = auto()
    CLOSES = auto()  # the program has ended before this line


class ProgramFinder:
    """Marks the lines of a reply.

    Args:
        published: take only what the original takes.
    """

    def __init__(self, *, published: bool = False) -> None:
        self._published = published
        self._in_block = False
        self._undecided = False  # in a block without a tag that has shown no code yet
        self.source = Source.NOWHERE
        self.inside = False  # whether the program goes on

    @property
    def settled(self) -> bool:
        """Whether no better program can follow."""
        return self.source is Source.PUBLISHED_BLOCK

    def push(self, line: str, *, ended: bool, in_string: bool) -> Mark:
        """Mark the next line.

        Args:
            line: its text without the line feed.
            ended: whether there was a line feed; only the last line may lack it.
            in_string: whether the program so far ends inside a string.
        """
        if self.settled:
            return self._published_line(line, may_indent=not (self._published or in_string))
        if ended and line.endswith(PUBLISHED_FENCE):
            return self._open(Source.PUBLISHED_BLOCK, Mark.OPENS)
        if self._published:
            return Mark.OUTSIDE
        if line.lstrip().startswith(FENCE):
            return self._fence(line)
        if self.inside:
            return Mark.INSIDE
        return self._other(line)

    def _published_line(self, line: str, *, may_indent: bool) -> Mark:
        """The first fence closes it; the original knows none behind blanks, and stumbles over it."""
        if not self.inside:
            return Mark.OUTSIDE
        closes = (line.lstrip() if may_indent else line).startswith(FENCE)
        return self._close() if closes else Mark.INSIDE

    def _fence(self, line: str) -> Mark:
        """A fence closes a block or a bare program; outside of a block it also opens one."""
        if self._in_block:
            self._in_block = self._undecided = False
            return self._close()
        self._in_block = True
        tag = _OPENING.fullmatch(line)
        self._undecided = tag is not None and not tag[1]
        if tag is not None and tag[1] and self.source < Source.TAGGED_BLOCK:
            return self._open(Source.TAGGED_BLOCK, Mark.OPENS)
        return self._close()

    def _other(self, line: str) -> Mark:
        """A line outside of a program: code begins one where no better one was found."""
        here = Source.PLAIN_BLOCK if self._in_block else Source.BARE
        may_begin = self._undecided if self._in_block else True
        self._undecided = self._undecided and NO_CODE.fullmatch(line) is not None
        if may_begin and self.source < here and _PROGRAM_LINE.match(line):
            return self._open(here, Mark.BEGINS)
        return Mark.OUTSIDE

    def _open(self, source: Source, mark: Mark) -> Mark:
        self.source, self.inside, self._undecided = source, True, False
        return mark

    def _close(self) -> Mark:
        was, self.inside = self.inside, False
        return Mark.CLOSES if was else Mark.OUTSIDE
