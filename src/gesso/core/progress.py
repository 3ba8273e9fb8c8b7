"""The one look of progress bars: what runs, how far it is, how long it took and how long it will take."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["progress_bar"]


def progress_bar(
    console: Console, *more: ProgressColumn, transient: bool = False, hidden: bool = False
) -> Progress:
    """A bar that is not started yet.

    Args:
        console: where it is drawn; standard output is for results, so this is standard error.
        more: columns behind the usual ones.
        transient: whether it goes away when it is done.
        hidden: whether nothing is drawn at all.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        *more,
        console=console,
        transient=transient,
        disable=hidden,
    )
