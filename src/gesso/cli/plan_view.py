"""A plan as it is being made: drawn on a terminal while its parts come, told line by line elsewhere."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gesso.canvas.canvas import Canvas
from gesso.canvas.parts import GlobalDescription, Region
from gesso.canvas.stream import CanvasEvent, Cleared
from gesso.cli.layout import draw_layout, in_one_line, place_of, sheet_columns
from gesso.cli.output import note

if TYPE_CHECKING:
    from gesso.engines.plan import Plan, PlanStream

__all__ = ["follow", "tell"]

BLANK: Final = GlobalDescription("", (), "", "gray")
"""What regions lie on that come before their background."""


def follow(stream: "PlanStream", console: Console) -> "Plan":
    """Show the parts of a plan as they come, and give the plan; errors as in reading the stream."""
    if console.is_terminal:
        _draw(stream, console)
    else:
        for event in stream:
            note(_said(event))
    return stream.plan


def tell(plan: "Plan") -> None:
    """Say what happened on the way to a plan."""
    if plan.note:
        note(f"plan: {plan.note}")
    for refusal in plan.refusals:
        note(f"the program was refused and asked for again: {refusal}")
    for correction in plan.corrections:
        note(f"corrected, {correction}")
    for warning in plan.warnings:
        note(f"warning: {warning}")


def _draw(events: Iterator[CanvasEvent], console: Console) -> None:
    columns = sheet_columns(console)
    ground, regions = BLANK, list[Region]()
    # drawn when a part comes, not by the clock: nothing moves in between
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for event in events:
            match event:
                case Cleared():
                    ground, regions = BLANK, []
                case GlobalDescription():
                    ground = event
                case Region():
                    regions.append(event)
            drawing = draw_layout(Canvas(ground, tuple(regions)), columns)
            said = Text(in_one_line(ground.description), no_wrap=True, overflow="ellipsis", style="dim")
            live.update(Group(drawing, said), refresh=True)


def _said(event: CanvasEvent) -> str:
    """A part of a canvas in a line."""
    match event:
        case GlobalDescription():
            return f"background: {in_one_line(event.description)} ({event.colour})"
        case Region():
            place = f"{place_of(event)}, {event.area}"
            return f"{in_one_line(event.description)}: {place}, {event.colour}"
        case Cleared():
            return "the program begins anew"
