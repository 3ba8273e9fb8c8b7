"""Pairs of answers to one request, a better and a worse one.

Files are JSONL in TRL's conversational form, one object with "prompt" (a list of messages), "chosen" and
"rejected" (a list of one message each) a line.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from gesso.core.messages import Message
from gesso.train.plans import JsonLines

__all__ = ["Pair", "PairFile", "PairSource"]


class Pair(NamedTuple):
    """A request and two answers to it, the better one first."""

    prompt: list[Message]
    chosen: Message
    rejected: Message


class PairSource(Protocol):
    """A numbered collection of pairs."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def pair(self, index: int) -> Pair:
        """One of them."""
        ...

    def first(self) -> Pair:
        """One to show, without making more than it takes."""
        ...


class PairFile:
    """Pairs of a JSONL file.

    Raises:
        TrainingError: it cannot be read, or is empty.
    """

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def __len__(self) -> int:
        """Lines."""
        return len(self._lines)

    def pair(self, index: int) -> Pair:
        """The pair of a line; errors name the line."""
        prompt, chosen, rejected = (
            self._lines.conversation(index, name) for name in ("prompt", "chosen", "rejected")
        )
        if prompt[-1].role != "user" or [m.role for m in (*chosen, *rejected)] != ["assistant"] * 2:
            raise self._lines.wrong(
                index, "prompt must end with a user's message; chosen and rejected are one assistant's each"
            )
        return Pair(prompt, chosen[0], rejected[0])

    def first(self) -> Pair:
        """The pair of the first line."""
        return self.pair(0)
