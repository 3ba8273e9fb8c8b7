"""The one error tree of gesso.

GessoError
├── UsageError            the request itself is wrong: an option, a name, a combination
│   ├── ConfigError       a setting or recipe holds an unknown or unusable value
│   ├── UnsupportedError  a valid request that this model or version cannot do
│   └── UnknownNameError  a name that no registry or catalogue row has
├── CanvasError           a canvas, or a program that should give one, is not valid
├── MediaError            a picture, sound or film cannot be read or is refused by policy
├── CheckpointError       weights and model do not fit each other, or a file is damaged
├── MissingExtraError     an optional package is not installed; names the extra
└── TrainingError         a run cannot start, go on or resume

Every message says what came, what is allowed and what to do about it.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "CanvasError",
    "CheckpointError",
    "ConfigError",
    "EndpointError",
    "GessoError",
    "MediaError",
    "MissingExtraError",
    "TrainingError",
    "UnknownNameError",
    "UnsupportedError",
    "UsageError",
]


class GessoError(Exception):
    """Base of everything gesso raises on purpose; its text is fit for a user's eyes."""


class UsageError(GessoError):
    """The request itself is wrong."""


class ConfigError(UsageError):
    """A setting or a recipe holds an unknown key or an unusable value."""


class UnsupportedError(UsageError):
    """A well-formed request that this model, format or version cannot serve."""


class UnknownNameError(UsageError):
    """A name that nothing is registered under.

    Args:
        what: the noun, such as "model" or "template".
        name: the name that came.
        known: every name that would have been accepted.
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        options = sorted(known)
        near = get_close_matches(name, options, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(options)}"
        super().__init__(f"unknown {what} {name!r}; {hint}")
        self.name = name
        self.near = near


class CanvasError(GessoError):
    """A canvas, or a program that should give one, is not valid.

    Args:
        problem: what came, what is allowed and what to do.
        line: line of the text that was read, counted from 1; None if no text was read.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.problem = problem
        self.line = line

    def at(self, line: int) -> "CanvasError":
        """The same problem, found in a line of a program."""
        return CanvasError(self.problem, line)


class MediaError(GessoError):
    """A picture, sound or film is damaged, of an unknown kind, too large, or refused by policy."""


class CheckpointError(GessoError):
    """A checkpoint is damaged, incomplete, or does not fit the model it is loaded into."""


class EndpointError(GessoError):
    """A server that gesso asks for an answer cannot be reached, refuses, or breaks off."""


class MissingExtraError(GessoError):
    """An optional package is needed and not installed.

    Args:
        package: the import name that failed.
        extra: the extra of gesso that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'gesso[{extra}]'")


class TrainingError(GessoError):
    """A training run cannot start, go on, or be resumed."""
