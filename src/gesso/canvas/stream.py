"""Reads a canvas while a planner is still writing it.

Everything read goes through here, so a text gives the same canvas whole and in pieces. A line is looked at
once, when it is complete; a statement is parsed once, when its last line has come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gesso.canvas.calls import NO_SUBJECT, Draft
from gesso.canvas.fences import NO_CODE, Mark, ProgramFinder, Source
from gesso.canvas.limits import MAX_SOURCE
from gesso.canvas.parts import GlobalDescription, Region
from gesso.canvas.program import Program, Reading
from gesso.canvas.source import BEGIN
from gesso.core.errors import CanvasError, UsageError

__all__ = ["CanvasEvent", "CanvasStream", "Cleared"]


@dataclass(frozen=True, slots=True)
class Cleared:
    """All that was given before is void: the program has begun anew."""


CanvasEvent = Cleared | GlobalDescription | Region


class CanvasStream:
    """Takes a reply in pieces and gives each part of the canvas as soon as its statement is complete.

    A region's setting is () if no background was set before it, else None. Whether a later background leaves
    it with another setting is known at the end only, so the canvas of `finish` is the one to keep.

    Args:
        published: find programs by the original's rules alone, see `gesso.canvas.parse`.
        subjects: let regions of a program with nothing around it name subjects, see `gesso.canvas.parse`.
    """

    def __init__(self, *, published: bool = False, subjects: bool = False) -> None:
        self._published = published
        self._subjects = subjects and not published
        self._finder = ProgramFinder(published=published)
        self._program = Program()
        self._failure: CanvasError | None = None  # of the program that counts
        self._begun_as_published = False
        self._words = False  # around the program, which makes a text somebody's reply
        self._pieces: list[str] = []  # of the line that is not complete
        self._size = self._line = 0
        self._shown: Draft | None = None
        self._shown_parts = 0
        self._finished = False

    @property
    def reading(self) -> Reading:
        """What the complete statements so far were read as.

        Raises:
            CanvasError: they make no canvas, or something that is not allowed has come.
        """
        self._check()
        return self._program.reading()

    def feed(self, text: str) -> tuple[CanvasEvent, ...]:
        """Take the next piece of the reply.

        Args:
            text: any number of characters.

        Returns:
            the parts of the canvas that it completes, in order.

        Raises:
            CanvasError: the text is too long, or its program holds something that is not allowed. With a
                program that the original would not find, that is said at the end: a better one may follow.
            UsageError: the stream is finished.
        """
        if self._finished:
            raise UsageError("this stream is finished; make a new one for the next reply")
        self._size += len(text)
        if self._size > MAX_SOURCE or (self._failure and self._finder.settled):
            self._check()
        events: list[CanvasEvent] = []
        *lines, rest = text.split("\n")
        for line in lines:
            self._pieces.append(line)
            self._take(ended=True)
            events += self._new_parts()
        if rest:
            self._pieces.append(rest)
        return tuple(events)

    def finish(self) -> Reading:
        """The canvas of the whole reply.

        Raises:
            CanvasError: the reply has no canvas program, or one that is cut off or not allowed.
            UsageError: the stream is finished already.
        """
        self.feed("")
        self._finished = True
        if self._pieces:
            self._take(ended=False)
        self._check()
        if self._published and self._finder.inside:
            raise CanvasError(
                "the block with the program is not closed; end it with a line of three backticks"
            )
        if self._published and not self._begun_as_published:
            raise CanvasError(f"the program lacks the line {BEGIN}; begin it with that")
        if self._finder.inside:
            self._program.end()
        reading = self._program.reading()
        if self._words and any(region.subject for region in reading.canvas.regions):
            raise CanvasError(NO_SUBJECT)
        return reading

    def _check(self) -> None:
        """Raise what is wrong so far."""
        if self._size > MAX_SOURCE:
            raise CanvasError(f"the text has more than {MAX_SOURCE} characters; shorten it")
        if self._finder.source is Source.NOWHERE:
            raise CanvasError(_NOWHERE)
        if self._failure is not None:
            raise self._failure

    def _take(self, *, ended: bool) -> None:
        """Read the line whose pieces have come."""
        line = "".join(self._pieces)
        self._pieces.clear()
        self._line += 1
        mark = self._finder.push(line, ended=ended, in_string=self._program.in_string)
        if mark in (Mark.OPENS, Mark.BEGINS):
            alone = self._finder.source is Source.BARE and not self._words
            self._program, self._failure = Program(subjects=self._subjects and alone), None
            self._begun_as_published = False
        elif mark is Mark.CLOSES or (mark is Mark.OUTSIDE and not NO_CODE.fullmatch(line)):
            self._words = True
        try:
            self._read(mark, line)
        except CanvasError as error:
            self._failure = error
            if self._finder.settled:
                raise

    def _read(self, mark: Mark, line: str) -> None:
        if self._failure is not None:
            return
        if mark is Mark.CLOSES:
            self._program.end()
        elif mark in (Mark.BEGINS, Mark.INSIDE):
            self._begun_as_published = self._begun_as_published or BEGIN in line
            for part in line.removesuffix("\r").split("\r"):  # Python ends a line at each of them
                self._program.push(part, self._line)

    def _new_parts(self) -> Iterator[CanvasEvent]:
        """What the canvas has that was not given yet."""
        draft = self._program.draft
        if draft is not self._shown:
            if self._shown_parts:
                yield Cleared()
            self._shown, self._shown_parts = draft, 0
        if draft is not None:
            yield from draft.parts[self._shown_parts :]
            self._shown_parts = len(draft.parts)


_NOWHERE: Final = (
    "the text has no canvas program; answer with a block that begins with ```python, then canvas = Canvas(), "
    "and ends with ```"
)
