"""A conversation with a planner that remembers its turns: say, try again, go back, edit by hand."""

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter

from gesso.canvas.canvas import Canvas
from gesso.core.errors import UsageError
from gesso.core.sampling import Sampling
from gesso.engines.plan import Plan, Planner, PlanStream
from gesso.engines.plan_turns import Turn, with_canvas

__all__ = ["PlanChat"]


class PlanChat:
    """One conversation. What fails leaves it as it was.

    Args:
        planner: who plans.
        sampling: how to choose tokens, if not as the planner's settings say.
        follow: reads each plan as it is being made, such as to show it.
    """

    def __init__(
        self,
        planner: Planner,
        sampling: Sampling | None = None,
        follow: Callable[[PlanStream], Plan] = attrgetter("plan"),
    ) -> None:
        self.planner = planner
        self.sampling = sampling or planner.settings.sampling
        self._follow = follow
        self._turns: tuple[Turn, ...] = ()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All rounds so far."""
        return self._turns

    def say(self, wish: str) -> Plan:
        """A new wish: the first picture, or a change to the last; errors as in `Planner.stream`."""
        return self._ask(wish, self._turns, self.sampling)

    def again(self, seed: int | None = None) -> Plan:
        """Another answer to the last wish.

        Args:
            seed: of the new answer; None takes the one after the last.

        Raises:
            UsageError: nothing was said yet, or greedy decoding would give the same once more.
        """
        last = self._turn(len(self._turns) - 1)
        if self.sampling.greedy:
            raise UsageError("with temperature 0 the answer would be the same; set a temperature above 0, "
                             "or put the wish in other words")  # fmt: skip
        if seed is None and self.sampling.seed is not None:
            seed = self.sampling.seed + 1
        sampling = replace(self.sampling, seed=seed)
        plan = self._ask(last.wish, self._turns[:-1], sampling)
        self.sampling = sampling
        return plan

    def revise(self, number: int, wish: str) -> Plan:
        """Say something else in an earlier turn; the turns after it are forgotten.

        Args:
            number: which turn, from 0.
            wish: what is said there now.

        Raises:
            UsageError: there is no such turn.
        """
        self._turn(number)
        return self._ask(wish, self._turns[:number], self.sampling)

    def put(self, canvas: Canvas) -> None:
        """Let this canvas stand in place of the last one, such as one that was edited by hand."""
        self._turns = with_canvas(self._turns, canvas, self.planner.settings.shape.layout)

    def _ask(self, wish: str, history: tuple[Turn, ...], sampling: Sampling) -> Plan:
        plan = self._follow(self.planner.stream(wish, history=history, sampling=sampling))
        self._turns = plan.turns
        return plan

    def _turn(self, number: int) -> Turn:
        if not 0 <= number < len(self._turns):
            raise UsageError(f"turn {number} is asked for, of {len(self._turns)}; turns are counted from 0")
        return self._turns[number]
