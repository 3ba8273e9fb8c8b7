"""The line in which a planner works a canvas out before it writes the program.

A program tells where a thing is before it tells what it is, so its writer has to know all of it beforehand.
A note goes the other way round: it names each thing, then tells where it is.

    Plan: yellow ball on the right; red fish on the left

Source of the idea: chain-of-thought prompting (arXiv 2201.11903).
"""

from collections.abc import Iterable
from typing import Final

from gesso.canvas.canvas import Canvas

__all__ = ["NOTE", "canvas_note", "note_line", "note_of"]

NOTE: Final = "Plan: "
"""How the line begins."""


def note_line(items: Iterable[str]) -> str:
    """A note of these items, with its end."""
    return f"{NOTE}{'; '.join(items)}\n"


def canvas_note(canvas: Canvas) -> str:
    """Each region's colour, first tag and location, with the end of the line."""
    return note_line(f"{each.colour} {_first(each.tags)} {each.location}" for each in canvas.regions)


def _first(tags: str) -> str:
    """The first of the tags, on one line."""
    return " ".join(tags.partition(",")[0].split())


def note_of(reply: str) -> str:
    """What a reply's note says; empty where it begins with none."""
    first, _, _ = reply.lstrip().partition("\n")
    return first.removeprefix(NOTE) if first.startswith(NOTE) else ""
