from io import StringIO

from rich.console import Console
from rich.progress import TextColumn

from gesso.core.progress import progress_bar


def _terminal() -> tuple[Console, StringIO]:
    file = StringIO()
    return Console(file=file, force_terminal=True, width=100, color_system=None), file


def test_a_bar_tells_what_runs_how_far_it_is_and_more() -> None:
    console, file = _terminal()
    with progress_bar(console, TextColumn("{task.fields[loss]}")) as bar:
        bar.update(bar.add_task("training", total=8, loss="loss 0.5"), completed=3)
    shown = file.getvalue()
    assert all(part in shown for part in ("training", "3/8", "loss 0.5"))


def test_a_hidden_bar_draws_nothing() -> None:
    console, file = _terminal()
    with progress_bar(console, hidden=True) as bar:
        bar.update(bar.add_task("training", total=8), completed=3)
    assert file.getvalue() == ""
