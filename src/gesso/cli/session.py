"""Lines that somebody types, or that a pipe brings: commands that begin with a slash, and all else."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gesso.cli.output import fail, note, say
from gesso.core.errors import GessoError, UsageError

__all__ = ["Command", "Session", "lines", "number_and_text", "required"]

HELP, QUIT = "/help", "/quit"


@dataclass(frozen=True, slots=True)
class Command:
    """What a line with a slash does.

    Attributes:
        usage: what stands behind its name, such as "FILE"; "" for nothing.
        about: one line for the list.
        run: takes what stands behind the name.
    """

    usage: str
    about: str
    run: Callable[[str], None]


class Session:
    """One interactive conversation.

    Args:
        answer: takes a line that is no command.
        commands: name, with its slash -> what it does.
    """

    def __init__(self, answer: Callable[[str], None], commands: Mapping[str, Command]) -> None:
        self._answer = answer
        self._commands = {
            **commands,
            HELP: Command("", "show this list", self._help),
            QUIT: Command("", "leave", lambda _: None),
        }

    def run(self) -> None:
        """Take lines until somebody leaves."""
        for line in lines():
            if not self.take(line):
                return

    def take(self, line: str) -> bool:
        """Do what a line says; False ends the conversation. On a terminal an error ends only the line."""
        try:
            return self._take(line.strip())
        except GessoError as error:
            if not sys.stdin.isatty():
                raise
            fail(error)
            return True

    def _take(self, line: str) -> bool:
        # the rest may hold blanks, as paths and questions do
        name, _, rest = line.partition(" ")
        if not line.startswith("/"):
            if line:
                self._answer(line)
            return True
        if name not in self._commands:
            raise UsageError(f"unknown command {name}; known: {', '.join(sorted(self._commands))}")
        self._commands[name].run(rest.strip())
        return name != QUIT

    def _help(self, _: str) -> None:
        for name, command in self._commands.items():
            note(f"{f'{name} {command.usage}':14} {command.about}")


def lines() -> Iterator[str]:
    """What the user types, or what a pipe brings; ends at the end of the input."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input("> ")
        except EOFError:
            say("")
            return


def required(text: str, usage: str) -> str:
    """What stands behind a command.

    Raises:
        UsageError: nothing does.
    """
    if not text:
        raise UsageError(f"say {usage}")
    return text


def number_and_text(rest: str, usage: str) -> tuple[int, str]:
    """A number and the text behind it.

    Raises:
        UsageError: there is something else.
    """
    number, _, text = rest.partition(" ")
    # "²" is a digit to str.isdigit, and no number to int
    required(text.strip() if number.isdecimal() else "", usage)
    return int(number), text.strip()
