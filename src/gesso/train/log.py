"""What a run writes for people: a JSONL log, a progress bar and a plot of the loss."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import TextColumn

from gesso.core.errors import MissingExtraError
from gesso.core.progress import progress_bar

__all__ = ["RunLog", "plot_log", "read_log"]


class RunLog:
    """Log of one run, as a context manager.

    Args:
        out: the run's folder; lines are appended to `log.jsonl` there.
        steps: steps of the whole run.
        start: step the run starts or resumes at; lines after it are dropped from the log.
        quiet: write nothing at all, as all processes but the first do.
    """

    def __init__(self, out: Path, steps: int, start: int, *, quiet: bool = False) -> None:
        self._path, self._quiet = out / "log.jsonl", quiet
        if not quiet:
            out.mkdir(parents=True, exist_ok=True)
            # a killed run may have logged steps behind its last checkpoint, which are now taken again
            kept = [line for line in read_log(self._path) if line["step"] <= start]
            self._path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        figures = TextColumn("{task.fields[figures]}")
        self._progress = progress_bar(Console(stderr=True), figures, hidden=quiet)
        self._task = self._progress.add_task("training", total=steps, completed=start, figures="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()

    def advance(self, step: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=step)

    def write(self, figures: Mapping[str, float]) -> None:
        """Append one line and show loss, rate and speed beside the bar."""
        if self._quiet:
            return
        # significant digits, since rates near 1e-7 are figures too; whole numbers (the step) stay whole
        line = {k: v if isinstance(v, int) else float(f"{v:.6g}") for k, v in figures.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        shown = f"loss {line['loss']:.4f}  rate {line['lr']:.2e}  {line['tokens_per_s']:.0f} tok/s"
        self._progress.update(self._task, figures=shown)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; none if there is no file, and a last line cut short is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def plot_log(log: Path, out: Path) -> None:
    """Draw the loss over the steps as a PNG.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train") from error
    lines = read_log(log)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([line["step"] for line in lines], [line["loss"] for line in lines], linewidth=1)
    # a loss falls by factors: on a straight scale the second half of every run looks flat
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    figure.savefig(out, dpi=120)
