"""Splits a program into statements, line by line, in time linear in its length.

Python's parser then sees one statement at a time, and none that is long or deep enough to trouble it.
Strings, comments, brackets and continued lines follow chapter 2 of the Python 3.11 language reference.
"""

import re
from dataclasses import dataclass
from typing import Final

from gesso.canvas.checks import shown
from gesso.canvas.limits import MAX_BRACKETS, MAX_TOKENS
from gesso.core.errors import CanvasError

__all__ = ["Statement", "StatementSplitter"]

_TOKEN: Final = re.compile(
    r"""[\s,]*+(?:
        (?P<string>(?P<prefix>[bfru]|br|rb|fr|rf|)(?P<quote>'''|\"\"\"|['"]))
      | (?P<comment>\#.*)
      | (?P<continues>\\$)
      | (?P<opens>[(\[{])
      | (?P<closes>[)\]}])
      | (?P<number>\.?[0-9](?:e[+-]|[\w.])*)
      | (?P<other>\w+|.)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_STRING_END: Final = {quote: re.compile(rf"\\|{quote}") for quote in ("'", '"', "'''", '"""')}
_SIGN: Final = re.compile(r"[^\w\s]")
_NUMBER: Final = re.compile(
    r"0x[0-9a-f_]+|0[bo][0-7_]+|(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?|\.[0-9][0-9_]*+)(?:e[+-]?[0-9_]++)?j?",
    re.IGNORECASE,
)
_ESCAPE: Final = re.compile(r"\\(?:[4-7][0-7][0-7]|.)")
_BYTES_ESCAPES: Final = frozenset("\\'\"")
_TEXT_ESCAPES: Final = frozenset("abfnrtvxNuU01234567") | _BYTES_ESCAPES


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of a statement, and the line of the whole text in which it begins."""

    text: str
    line: int


class StatementSplitter:
    """Takes the lines of a program and gives each statement once its last line has come."""

    def __init__(self) -> None:
        self._lines: list[str] = []  # of the statement that is not complete
        self._first = 0
        self._quote = self._prefix = ""  # of the string that is open
        self._depth = self._tokens = 0
        self._blank = True  # nothing but comments so far

    @property
    def in_string(self) -> bool:
        """Whether the next line begins inside a string."""
        return bool(self._quote)

    @property
    def begun(self) -> int | None:
        """First line of the statement that is not complete, if there is one."""
        return self._first if self._lines else None

    def push(self, line: str, number: int) -> Statement | None:
        """Take a line.

        Args:
            line: its text, without a line end.
            number: its number in the whole text.

        Returns:
            the statement that this line completes, if it does; blank lines and comments are none.

        Raises:
            CanvasError: the statement is too long or too deep.
        """
        if not self._lines:
            self._first, self._tokens, self._blank = number, 0, True
        text, open_end, blank = self._scan(line, number)
        self._blank = self._blank and blank
        if self._lines or open_end or not blank:
            self._lines.append(text)
        if open_end or not self._lines:
            return None
        statement = self.rest()
        # a backslash may go on with a comment, and then there was nothing
        return None if self._blank else statement

    def rest(self) -> Statement:
        """What has come of the statement that is not complete."""
        statement = Statement("\n".join(self._lines), self._first)
        self._lines, self._quote, self._depth = [], "", 0
        return statement

    def _scan(self, line: str, number: int) -> tuple[str, bool, bool]:
        """The line with its strings respelt, whether the statement goes on, and whether there was nothing."""
        parts: list[str] = []
        position, kind, blank = 0, None, not self._quote
        if self._quote:
            position = self._string(line, 0, parts)
        while found := _TOKEN.match(line, position):
            kind, start, position = found.lastgroup, position, found.end()
            parts.append(line[start:position])
            blank = blank and kind in ("comment", "continues")
            if found["string"] is not None:
                self._quote, self._prefix = found["quote"], found["prefix"].lower()
                position = self._string(line, position, parts)
            else:
                self._count(kind, found["number"], number)
        if self._tokens > MAX_TOKENS:
            problem = (
                f"the statement has more than {MAX_TOKENS} names, numbers and signs; write finished texts"
            )
            raise CanvasError(problem, number)
        parts.append(line[position:])
        return "".join(parts), bool(self._quote or self._depth or kind == "continues"), blank

    def _string(self, line: str, start: int, parts: list[str]) -> int:
        """Follow the open string to its end, or to the end of the line; gives where that is."""
        position, end = start, _STRING_END[self._quote]
        while found := end.search(line, position):
            if found[0] != "\\":
                self._respell(line[start : found.start()], parts)
                parts.append(self._quote)
                self._quote = ""
                return found.end()
            position = found.end() + 1
        self._respell(line[start:], parts)
        continued = position > len(line)
        if len(self._quote) == 1 and not continued:  # Python will say what is wrong
            self._quote = ""
        return len(line)

    def _respell(self, body: str, parts: list[str]) -> None:
        r"""Write escapes that Python only warns of, such as "\d", so that no warning can become an error."""
        if "f" in self._prefix:
            self._tokens += len(_SIGN.findall(body))  # there may be expressions in it
        if "r" in self._prefix:
            parts.append(body)
        else:
            parts.append(_ESCAPE.sub(_respelt_in_bytes if "b" in self._prefix else _respelt_in_text, body))

    def _count(self, kind: str | None, figure: str | None, number: int) -> None:
        self._tokens += kind != "comment"
        if kind == "closes":
            self._depth = max(0, self._depth - 1)
        elif kind == "opens":
            self._depth += 1
            if self._depth > MAX_BRACKETS:
                problem = (
                    f"more than {MAX_BRACKETS} brackets are open; a canvas needs two, so remove the others"
                )
                raise CanvasError(problem, number)
        elif figure is not None and not _NUMBER.fullmatch(figure):
            raise CanvasError(f"{shown(figure)} is no number; put a blank between number and word", number)


def _respelt_in_text(found: re.Match[str]) -> str:
    escape = found[0]
    if len(escape) == 4:  # octal above 0o377
        return f"\\u{int(escape[1:], 8):04x}"
    return escape if escape[1] in _TEXT_ESCAPES else f"\\{escape}"


def _respelt_in_bytes(found: re.Match[str]) -> str:
    """Bytes have no place in a canvas, so only their length matters."""
    return found[0] if found[0][1] in _BYTES_ESCAPES else f"\\{found[0]}"
