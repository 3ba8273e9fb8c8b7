"""From a wish to a canvas: the planner asks a language model for a program, reads it, and has it repaired.

A conversation goes on over turns ("make the dragon a dinosaur"); each turn gives a new canvas. The language
model may live in memory (`gesso.engines.plan_local`) or behind a server (`gesso.engines.plan_remote`).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.grammar import ReplyShape, whole_part
from gesso.canvas.notes import note_of
from gesso.canvas.parse import Reading, read_canvas
from gesso.canvas.spelling import Correction
from gesso.canvas.stream import CanvasEvent, CanvasStream, Cleared
from gesso.canvas.subjects import keep_subjects
from gesso.core.errors import CanvasError, UsageError
from gesso.core.messages import Message
from gesso.core.sampling import Sampling
from gesso.engines.plan_turns import Brief, Turn, brief, repair_messages, with_canvas, with_notes
from gesso.engines.plan_writers import PlanStats, Writer, Writing
from gesso.models.omost.prompts import OMOST_SAMPLING, SYSTEM_PROMPT

__all__ = ["Plan", "PlanSettings", "PlanStream", "Planner"]

REPAIRS: Final = 2
"""Times a refused program goes back to the planner."""

FREE: Final = ReplyShape(layout="free")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """How a planner is asked; checked on construction.

    Attributes:
        system: what the language model is told before all; None for models without a place for it.
        shape: how the model writes programs.
        sampling: settings of a wish that brings none of its own.
        repairs: how often a refused program goes back with the reason, 0 to 2.
    """

    system: str | None = SYSTEM_PROMPT
    shape: ReplyShape = FREE
    sampling: Sampling = OMOST_SAMPLING
    repairs: int = REPAIRS

    def __post_init__(self) -> None:
        """Refuse endless repairs."""
        if not 0 <= self.repairs <= REPAIRS:
            raise UsageError(f"repairs is {self.repairs}; it must be 0 to {REPAIRS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A canvas, and how it came about.

    Attributes:
        canvas: the canvas.
        reply: the planner's words that it was read from.
        turns: the conversation with this turn as its last, to go on from.
        corrections: names that were corrected on reading.
        refusals: why earlier programs of this turn were refused, if any were.
        warnings: what the user should know, such as turns that did not fit.
        stats: what it took, all attempts together.
    """

    canvas: Canvas
    reply: str
    turns: tuple[Turn, ...]
    corrections: tuple[Correction, ...]
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]
    stats: PlanStats

    @property
    def note(self) -> str:
        """The line in which the planner worked the canvas out; empty where it wrote none."""
        return note_of(self.reply)


class PlanStream(Iterator[CanvasEvent]):
    """A plan as it is being made: iterate for its background and regions, then read `plan`.

    A `Cleared` says that what came before is void: the program was refused, or begins anew.

    Args:
        events: the parts, and the plan in the end.
    """

    def __init__(self, events: Generator[CanvasEvent, None, Plan]) -> None:
        self._events = events
        self._plan: Plan | None = None

    def __next__(self) -> CanvasEvent:
        """The next part."""
        try:
            return next(self._events)
        except StopIteration as end:
            self._plan = end.value or self._plan
            raise StopIteration from None

    def close(self) -> None:
        """End the plan here."""
        self._events.close()

    @property
    def plan(self) -> Plan:
        """The whole plan; reads what has not been read yet."""
        for _ in self:
            pass
        if self._plan is None:
            raise UsageError("the stream ended before its plan was complete; start a new one")
        return self._plan


class Planner:
    """Turns wishes into canvases.

    Args:
        writer: the language model.
        settings: how it is asked.
    """

    def __init__(self, writer: Writer, settings: PlanSettings | None = None) -> None:
        self.writer = writer
        self.settings = settings or PlanSettings()

    def plan(
        self,
        wish: str,
        *,
        history: Sequence[Turn] = (),
        canvas: Canvas | None = None,
        sampling: Sampling | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Plan:
        """Plan a canvas, or change one; arguments and errors as in `stream`."""
        return self.stream(wish, history=history, canvas=canvas, sampling=sampling, cancelled=cancelled).plan

    def stream(
        self,
        wish: str,
        *,
        history: Sequence[Turn] = (),
        canvas: Canvas | None = None,
        sampling: Sampling | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> PlanStream:
        """Plan a canvas, or change one, and give its parts as they are completed.

        Args:
            wish: what the picture is to show, or what is to change.
            history: the turns before, such as `Plan.turns`; fewer of them, to go back.
            canvas: the canvas the wish is about, where it is not the last turn's: edited by hand, or loaded.
            sampling: how to choose tokens, if not as the planner's settings say.
            cancelled: asked as the reply grows; True ends it, and the regions that are whole are kept.

        Raises:
            UsageError: the wish is empty, or does not fit the planner's context; on reading: it was cancelled
                before anything was whole.
            UnsupportedError: a sampling setting that the language model cannot follow.
            CanvasError: on reading: no program that can be read came, in all attempts.
            EndpointError: on reading: a server did not answer.
        """
        if not wish.strip():
            raise UsageError("the wish is empty; say what the picture is to show")
        shape, sampling = self.settings.shape, sampling or self.settings.sampling
        turns = with_canvas(history, canvas, shape.layout)
        shown = with_notes(turns) if shape.max_note else turns
        told = brief(self.writer, self.settings.system, shown, wish, sampling.max_new_tokens)
        return PlanStream(_Making(self, told, sampling, cancelled).events((*turns, Turn(wish, ""))))


class _Making:
    """One plan in the making: attempts, each read as it comes, until one is a canvas."""

    def __init__(
        self, planner: Planner, told: Brief, sampling: Sampling, cancelled: Callable[[], bool] | None
    ) -> None:
        self._planner = planner
        self._told = told
        self._sampling = sampling
        self._cancelled = cancelled
        self._stats = PlanStats()
        self._warnings = list(told.warnings)
        self._reply = ""

    def events(self, turns: tuple[Turn, ...]) -> Generator[CanvasEvent, None, Plan]:
        """The parts of the canvas, and the plan in the end; the last of the turns waits for its reply."""
        messages, refusals = self._told.messages, list[str]()
        while True:
            try:
                reading = yield from self._attempt(messages)
                break
            except CanvasError as error:
                if len(refusals) == self._planner.settings.repairs:
                    raise _hopeless(error, len(refusals) + 1) from error
                refusals.append(str(error))
                messages = repair_messages(self._told.messages, self._reply, error)
                if not self._fits(messages):
                    raise _hopeless(error, len(refusals)) from error
            yield Cleared()
        canvas, turn = self._with_subjects(turns, reading.canvas)
        return Plan(
            canvas=canvas,
            reply=self._reply,
            turns=(*turns[:-1], turn),
            corrections=reading.corrections,
            refusals=tuple(refusals),
            warnings=tuple(self._warnings),
            stats=self._stats,
        )

    def _with_subjects(self, turns: tuple[Turn, ...], canvas: Canvas) -> tuple[Canvas, Turn]:
        """The canvas with the subjects of the one that it was made from, and its turn."""
        wish, before = turns[-1].wish, turns[-2].canvas if len(turns) > 1 else None
        if before is None:
            return canvas, Turn(wish, self._reply)
        kept, lost = keep_subjects(before, canvas)
        self._warnings += [f"no region calls for the subject {name} any more, so it is gone" for name in lost]
        return kept, Turn(wish, self._reply, kept)

    def _attempt(self, messages: Sequence[Message]) -> Generator[CanvasEvent, None, Reading]:
        """Have a reply written and read it along; a statement that is refused ends it at once."""
        writing = self._planner.writer.write(messages, self._sampling, cancelled=self._cancelled)
        stream, self._reply = CanvasStream(), ""
        try:
            for piece in writing:
                self._reply += piece
                yield from stream.feed(piece)
        finally:
            writing.close()
            self._stats += writing.stats
        return self._read(stream, writing)

    def _read(self, stream: CanvasStream, writing: Writing) -> Reading:
        """The canvas of a whole reply; one that broke off counts as far as its calls are whole."""
        try:
            return stream.finish()
        except CanvasError as error:
            whole = whole_part(self._reply)
            if writing.finish_reason == "cancelled" and whole is None:
                raise UsageError("the plan was cancelled before its background was whole") from error
            if writing.finish_reason == "stop" or whole is None:
                raise
        reading, self._reply = read_canvas(whole), whole
        why = "was cancelled" if writing.finish_reason == "cancelled" else "reached its token limit"
        whole_regions = len(reading.canvas.regions)
        self._warnings.append(f"the reply {why}; the canvas has what was whole: {whole_regions} regions")
        return reading

    def _fits(self, messages: Sequence[Message]) -> bool:
        """Whether the writer can take up a conversation again that has grown by a repair."""
        context = self._planner.writer.context
        return context is None or self._planner.writer.count(messages) + self._stats.tokens < context


def _hopeless(error: CanvasError, attempts: int) -> CanvasError:
    times = "once" if attempts == 1 else f"{attempts} times"
    return CanvasError(f"the planner was asked {times} and wrote no canvas that can be read. {error}. "
                       "Say it in other words, sample anew, or use a planner with a grammar")  # fmt: skip
