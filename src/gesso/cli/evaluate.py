"""`gesso eval`: score a model on a task."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gesso.api import load
from gesso.cli.loading import quiet_transformers
from gesso.cli.output import err, note, out, say
from gesso.core.errors import UsageError
from gesso.engines.folders import folder_of
from gesso.evaluate import TASKS, evaluate, report_table, weights_digest

__all__ = ["eval_command"]

INTERRUPTED: Final = 130  # what a shell reports of a program that Ctrl-C ended


def eval_command(
    model: Annotated[str, typer.Argument(help="A model's name (see `gesso models`) or folder.")],
    task: Annotated[str, typer.Option(help="storybook-vqa, storybook-describe or storybook-retrieval.")],
    split: Annotated[str, typer.Option(help="test, novel (unseen kind-colour pairs) or val.")] = "test",
    count: Annotated[int, typer.Option(help="How many samples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Which samples: scenes are made from it when needed.")] = 0,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    size: Annotated[int, typer.Option(help="Side of the pictures, in pixels.")] = 96,
    kinds: Annotated[str | None, typer.Option(help="storybook-vqa: kinds of question, as a,b,c.")] = None,
    batch: Annotated[int, typer.Option(help="Samples the model gets at once.")] = 32,
    folder: Annotated[
        Path | None, typer.Option("--out", help="For log and report [runs/eval/MODEL-TASK-SPLIT-SEED].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Score a model; every answer is logged, and an interrupted evaluation goes on where it was."""
    quiet_transformers()
    chosen = _task(task, kinds, split=split, language=language, size=size)
    weights = weights_digest(folder_of(model))
    log = folder or Path("runs/eval") / f"{_file_name(model)}-{task}-{split}-{seed}"
    try:
        with _progress() as progress:
            bar = progress.add_task(task, total=count)
            report = evaluate(
                load(model),
                chosen,
                count=count,
                seed=seed,
                batch=batch,
                log=log,
                weights=weights,
                progress=lambda done: progress.update(bar, completed=done),
            )
    except KeyboardInterrupt as stop:
        note(f"stopped; the same command goes on from the log in {log}")
        raise typer.Exit(INTERRUPTED) from stop
    if as_json:
        say(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        out.print(report_table(report))
        say(f"log and report: {log}")


def _task(name: str, kinds: str | None, **options: Any) -> Any:
    """The task of this name; what it does not let one choose is refused."""
    task = TASKS[name]
    if kinds is not None:
        if "kinds" not in {field.name for field in fields(task)}:
            raise UsageError(f"{name} has no kinds to choose from; --kinds is for storybook-vqa")
        options["kinds"] = tuple(kind.strip() for kind in kinds.split(","))
    return task(**options)


def _file_name(model: str) -> str:
    """A model's name or path as part of a file name."""
    return re.sub(r"[^\w.-]+", "-", model).strip("-.") or "model"


def _progress() -> Progress:
    """A bar on standard error."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
    )
