"""Planning before painting: options of a planner, which are refused where nothing is planned."""

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gesso.cli.output import err
from gesso.cli.plan import DEFAULT_PLANNER, EndpointOptions
from gesso.cli.plan_view import follow, tell
from gesso.core.errors import UsageError
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.canvas.canvas import Canvas

__all__ = ["WishOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WishOptions(EndpointOptions):
    """Who plans a wish."""

    planner_name: Annotated[
        str | None,
        typer.Option("--planner", help=f"Who plans: a name or folder; if left out, {DEFAULT_PLANNER}."),
    ] = None

    @property
    def name(self) -> str:
        """The planner's name."""
        return self.planner_name or DEFAULT_PLANNER

    def plan(self, wish: str, canvas: "Canvas | None", options: LoadOptions) -> "Canvas":
        """Have a wish planned, and show the layout as it comes; the planner is gone afterwards.

        Args:
            wish: what to show, or what to change.
            canvas: what to change.
            options: how the planner is loaded.
        """
        import torch

        if self.endpoint is not None:
            if self.planner_name is None:
                raise UsageError("the model's name at the server is missing; give it with --planner")
            options = LoadOptions(dtype=options.dtype, base=options.base)  # the rest is the painter's
        threads = torch.get_num_threads()
        plan = follow(self.planner(self.planner_name, options).stream(wish, canvas=canvas), err)
        tell(plan)
        gc.collect()  # parts of models refer to each other, and the painter needs the room
        torch.set_num_threads(threads)  # a small planner takes one, which is not for a large painter
        return plan.canvas

    def refuse(self, options: LoadOptions) -> None:
        """Refuse options that nothing heeds where nothing is planned.

        Raises:
            UsageError: names one.
        """
        given = {
            "--planner": self.planner_name,
            "--endpoint": self.endpoint,
            "--timeout": self.timeout,
            "--context": self.context,
            "--dtype": None if options.dtype == "auto" else options.dtype,
            "--base": options.base,
        }
        for option, value in given.items():
            if value is not None:
                raise UsageError(f"{option} is of a planner, and no wish is to be planned; leave it out")
