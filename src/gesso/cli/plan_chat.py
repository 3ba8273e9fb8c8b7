"""`gesso chat` with a planner: every wish plans a canvas or changes the last, and the layout is drawn."""

import sys
from collections.abc import Callable
from pathlib import Path

from gesso.canvas.canvas import Canvas
from gesso.cli.output import note, out, say
from gesso.cli.plan_view import follow, tell
from gesso.cli.session import Command, Session, number_and_text, required
from gesso.core.errors import UsageError
from gesso.core.sampling import Sampling
from gesso.engines.canvas_files import read_canvas_file, write_canvas
from gesso.engines.plan import Plan, Planner, PlanStream
from gesso.engines.plan_chat import PlanChat

__all__ = ["PlanConversation", "plan_session"]


def plan_session(planner: Planner, sampling: Sampling) -> Session:
    """A conversation with a planner, ready to take lines."""
    talk = PlanConversation(planner, sampling)
    return Session(
        talk.wish,
        {
            "/regenerate": Command("", "answer the last wish anew", talk.regenerate),
            "/edit": Command("N TEXT", "say something else in wish number N and go on from there", talk.edit),
            "/load": Command("FILE", "put a canvas in place of the last one", talk.load),
            "/save": Command("FILE", "write the canvas: .json, .py, or a layout as .png, .svg", talk.save),
            "/reset": Command("", "forget the conversation", talk.reset),
        },
    )


class PlanConversation:
    """Wishes so far, and the canvas they lead to.

    Args:
        planner: who plans.
        sampling: how it chooses tokens.
    """

    def __init__(self, planner: Planner, sampling: Sampling) -> None:
        self._planner = planner
        self._sampling = sampling
        self._canvas: Canvas | None = None
        self._talk = PlanChat(self._planner, sampling, _followed)

    def wish(self, text: str) -> None:
        """Plan a canvas, or change the last one; errors as in `Planner.stream`."""
        self._show(lambda: self._talk.say(text))

    def regenerate(self, _: str = "") -> None:
        """Answer the last wish anew.

        Raises:
            UsageError: nothing was wished yet, or the answer would be the same.
        """
        if not self._talk.turns:
            raise UsageError("there is no canvas to make anew; say what the picture is to show")
        self._show(self._talk.again)

    def edit(self, rest: str) -> None:
        """Replace a wish, counted from 1, and forget what came after it.

        Raises:
            UsageError: there are not so many wishes.
        """
        number, text = number_and_text(rest, "/edit N TEXT")
        if not 1 <= number <= len(self._talk.turns):
            raise UsageError(f"there is no wish {number}, {len(self._talk.turns)} were said; the first is 1")
        self._show(lambda: self._talk.revise(number - 1, text))

    def load(self, path: str) -> None:
        """Put a canvas in place of the last one, such as one that was edited by hand.

        Raises:
            UsageError: there is no such file.
            CanvasError: it holds no canvas.
        """
        self._canvas = read_canvas_file(required(path, "/load FILE"))
        self._talk.put(self._canvas)
        note(f"the next wish is about the canvas of {path}")

    def save(self, path: str) -> None:
        """Write the last canvas in the form that the name's ending asks for.

        Raises:
            UsageError: there is none yet, or the file cannot be written.
        """
        required(path, "/save FILE")
        if self._canvas is None:
            raise UsageError("there is no canvas to save; say what the picture is to show")
        write_canvas(self._canvas, Path(path).expanduser())  # no shell has done so with what is typed
        note(f"saved to {path}")

    def reset(self, _: str = "") -> None:
        """Forget everything."""
        self._talk, self._canvas = PlanChat(self._planner, self._sampling, _followed), None
        note("the conversation is forgotten")

    def _show(self, make: Callable[[], Plan]) -> None:
        """Have a plan made; on a terminal Ctrl-C ends it, and the conversation stays as it was."""
        try:
            plan = make()
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            note("(stopped)")
            return
        self._canvas = plan.canvas
        tell(plan)
        # a drawing is for eyes; a pipe gets the programs
        if not out.is_terminal:
            say(plan.canvas.to_source())


def _followed(stream: PlanStream) -> Plan:
    """The plan of a stream, drawn on a terminal while it is made."""
    return follow(stream, out) if out.is_terminal else stream.plan
