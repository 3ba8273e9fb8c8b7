"""Options of `gesso repaint` that say what is painted anew, and what is to be there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gesso.cli.layout import region_index
from gesso.cli.paint_plan import WishOptions
from gesso.core.errors import UsageError
from gesso.engines.canvas_files import read_canvas_file
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.canvas.canvas import Box, Canvas

__all__ = ["ChangeOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions:
    """What is painted anew, and what is to be there."""

    region: Annotated[
        list[int] | None,
        typer.Option(help="Number of a region, as `gesso canvas show` lists them; may be repeated."),
    ] = None
    wish: Annotated[str | None, typer.Option(help="What is to change, in words.")] = None
    canvas: Annotated[
        str | None, typer.Option(metavar="CANVAS", help="What the picture is to show: an edited canvas.")
    ] = None
    feather: Annotated[int, typer.Option(min=0, help="Width of the soft border, in pixels.")] = 8

    def canvas_after(self, before: "Canvas", planning: WishOptions, options: LoadOptions) -> "Canvas":
        """What the picture is to show.

        Args:
            before: what it shows.
            planning: who plans a wish.
            options: how the planner is loaded.

        Raises:
            UsageError: wish and canvas are given, or options of a planner without a wish.
        """
        if self.wish is not None and self.canvas is not None:
            raise UsageError("both --wish and --canvas say what is to change; give one of them")
        if self.wish is not None:
            return planning.plan(self.wish, before, options)
        planning.refuse(options)
        return before if self.canvas is None else read_canvas_file(self.canvas)

    def boxes(self, before: "Canvas", now: "Canvas") -> "list[Box]":
        """What is to be painted anew: regions by number and what came new, or all that changed.

        Raises:
            UsageError: there is no such region, or nothing is to change.
        """
        from gesso.engines.paint import changed_boxes  # imports torch

        if self.region:
            chosen = [before.regions[region_index(before, number)].box for number in self.region]
            return chosen + [region.box for region in now.regions if region not in before.regions]
        changed = changed_boxes(before, now)
        if not changed:
            raise UsageError(self._unchanged())
        return list(changed)

    def _unchanged(self) -> str:
        if self.wish is not None:
            return (
                f"the planner left the canvas as it is on {self.wish!r}; say it otherwise, or edit the canvas"
            )
        if self.canvas is not None:
            return f"nothing is to change: {self.canvas} is the picture's own canvas; edit it first"
        return "nothing is to change; say --region N, --wish or --canvas"
