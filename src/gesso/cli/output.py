"""What the command line prints, and how it ends.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage
(gesso's UsageError as well as options that do not exist), 130 interrupted.
"""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console

from gesso.core.errors import GessoError, UsageError

__all__ = ["DEBUG", "err", "fail", "note", "out", "run_guarded", "say"]

DEBUG: Final = "GESSO_DEBUG"
"""Environment variable that makes errors show where they came from."""

# rich takes 80 where it sees no terminal, too few for the table of `gesso models`
PIPE_WIDTH: Final = 240
"""Columns of a table that goes to a file or another program."""

out = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, soft_wrap=True)
"""Standard output; colours only on a terminal, and none if NO_COLOR is set."""

err = Console(stderr=True)
"""Standard error: progress, notes and errors."""


def say(text: str, *, end: str = "\n") -> None:
    """Print text to standard output as it is, at once."""
    # not through rich, which would wrap lines and read [brackets] as styles
    sys.stdout.write(text + end)
    # pieces of an answer are to be seen as they come, also through a pipe
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell the user something that is not a result."""
    err.print(text, markup=False, highlight=False, style="dim", soft_wrap=True)


def fail(error: GessoError, cause: Exception | None = None) -> int:
    """Report an error; returns the exit code it asks for. GESSO_DEBUG shows where it, or `cause`, arose."""
    if os.environ.get(DEBUG):
        traceback.print_exception(cause or error)
    err.print(f"[red]error:[/red] {_escaped(str(error))}", highlight=False, soft_wrap=True)
    # 2 is what typer itself exits with for options that do not exist
    return 2 if isinstance(error, UsageError) else 1


def run_guarded(command: Callable[[], Any]) -> int:
    """Run a command; what gesso refuses or the machine cannot do ends in a message, not in a traceback."""
    try:
        command()
    except GessoError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        # what is still buffered must go somewhere: Python flushes at its end, and would fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder that may not be written, a network that is down
        return fail(GessoError(f"{error}; check the path, its permissions and the free space"), error)
    return 0


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
