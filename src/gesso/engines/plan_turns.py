"""The conversation a plan is made in: its turns, what of them fits the planner, and what it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.grammar import Layout, program_in
from gesso.canvas.notes import canvas_note, note_of
from gesso.canvas.parse import read_canvas
from gesso.canvas.subjects import without_subjects
from gesso.core.errors import CanvasError, UsageError
from gesso.core.messages import Message, assistant, user
from gesso.engines.plan_writers import Writer
from gesso.models.omost.prompts import history_messages

__all__ = ["Brief", "Turn", "brief", "repair_messages", "with_canvas", "with_notes"]

LEAST: Final = 64
"""Tokens of a reply below which there is no use in asking."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One round of a conversation: what was wished, and the program that answered it.

    Attributes:
        wish: what was wished.
        reply: the program, in words alone.
        canvas: its canvas, where regions have subjects; planners are not told of these.
    """

    wish: str
    reply: str
    canvas: Canvas | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """What the planner is told.

    Attributes:
        messages: system text, turns and wish.
        tokens: how many tokens they take.
        warnings: what the user should know about the space left.
    """

    messages: list[Message]
    tokens: int
    warnings: tuple[str, ...]


def with_canvas(turns: Sequence[Turn], canvas: Canvas | None, layout: Layout) -> tuple[Turn, ...]:
    """Turns whose last reply is a given canvas, such as one that was edited by hand.

    Args:
        turns: the conversation so far; may be empty.
        canvas: what the next wish is about; None leaves the turns as they are.
        layout: how the planner writes programs.
    """
    if canvas is None:
        return tuple(turns)
    wish = turns[-1].wish if turns else _wish_for(canvas)
    has_subjects = any(region.subject for region in canvas.regions)
    program = program_in(without_subjects(canvas), layout)
    return (*turns[:-1], Turn(wish, program, canvas if has_subjects else None))


def _wish_for(canvas: Canvas) -> str:
    """A wish that a canvas could have answered; a small planner looks things and places up in it, too."""
    things = [f"{region.description} {region.location}" for region in canvas.regions]
    return f"generate an image of {', '.join([*things, canvas.background.description])}"


def with_notes(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Turns for a planner that notes its plans: a canvas that came without a note gets one."""
    noted = []
    for turn in turns:
        if note_of(turn.reply):
            noted.append(turn)
            continue
        try:
            note = canvas_note(read_canvas(turn.reply).canvas)
        except CanvasError:  # of a model that wrote no canvas; it is told the reason by itself
            note = ""
        noted.append(replace(turn, reply=note + turn.reply))
    return tuple(noted)


def brief(writer: Writer, system: str | None, turns: Sequence[Turn], wish: str, reply_tokens: int) -> Brief:
    """What to tell the planner: as many of the last turns as leave room for a reply.

    The last turn always stays, for it holds the canvas that is to be edited.

    Args:
        writer: the planner's language model.
        system: the system text, if any.
        turns: the conversation so far.
        wish: what is wished now.
        reply_tokens: tokens the reply may take.

    Raises:
        UsageError: the wish and the last turn alone leave no room.
    """
    kept = list(turns)
    while True:
        rows = [(turn.wish, turn.reply) for turn in kept]
        messages = history_messages(rows, wish, system)
        tokens = writer.count(messages)
        room = reply_tokens if writer.context is None else writer.context - tokens
        wanted = reply_tokens if writer.context is None else min(reply_tokens, writer.context // 2)
        if room >= wanted or len(kept) <= 1:
            break
        del kept[0]
    if room < min(LEAST, reply_tokens):
        raise UsageError(f"the last canvas and the wish take {tokens} of the planner's {writer.context} "
                         "tokens, which leaves no room for a reply; use fewer regions, shorter descriptions, "
                         "or another planner")  # fmt: skip
    return Brief(messages, tokens, tuple(_warnings(writer, len(turns) - len(kept), tokens, room < wanted)))


def repair_messages(messages: Sequence[Message], reply: str, error: CanvasError) -> list[Message]:
    """The conversation, going on with a refused program and the reason."""
    request = (
        f"This program cannot be read. {error}\n"
        "Write the whole program again with this mistake corrected, and change nothing else."
    )
    return [*messages, assistant(reply), user(request)]


def _warnings(writer: Writer, left_out: int, tokens: int, tight: bool) -> list[str]:
    warnings = []
    if left_out:
        turns = "the oldest turn" if left_out == 1 else f"the {left_out} oldest turns"
        warnings.append(
            f"{turns} did not fit the planner's {writer.context} tokens and will not be read; "
            "the last canvas is, so edits go on, but repeat what else still matters"
        )
    if tight:
        warnings.append(
            f"the last canvas and the wish take {tokens} of the planner's {writer.context} tokens; "
            "a longer canvas may be cut, so use fewer regions or shorter descriptions"
        )
    return warnings
