"""`gesso eval`: score a model on a task."""

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gesso.api import load
from gesso.cli.loading import quiet_transformers
from gesso.cli.options import with_settings
from gesso.cli.output import err, note, out, say
from gesso.core.errors import UsageError
from gesso.core.progress import progress_bar
from gesso.engines.folders import folder_of
from gesso.evaluate import TASKS, Plan, evaluate, report_table, weights_digest

__all__ = ["eval_command"]

INTERRUPTED: Final = 130  # what a shell reports of a program that Ctrl-C ended


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is asked: the choices of a task, and which of its samples."""

    split: Annotated[str, typer.Option(help="test, novel (unseen kind-colour pairs) or val.")] = "test"
    count: Annotated[int, typer.Option(help="How many samples.")] = 1000
    seed: Annotated[int, typer.Option(help="Which samples: scenes are made from it when needed.")] = 0
    language: Annotated[str, typer.Option(help="en or zh.")] = "en"
    # None, as not every task has pictures: the task knows the default, and refuses what it cannot use
    size: Annotated[int | None, typer.Option(help="Side of the pictures, in pixels [96].")] = None
    kinds: Annotated[
        str | None, typer.Option(help="storybook-vqa: kinds of question, as a,b,c; -canvas: plan, edit.")
    ] = None
    batch: Annotated[int, typer.Option(help="Samples the model gets at once.")] = 32

    @property
    def plan(self) -> Plan:
        """Which samples."""
        return Plan(count=self.count, seed=self.seed, batch=self.batch)

    def task(self, name: str) -> Any:
        """The task of this name; what it does not let one choose is refused."""
        task = TASKS[name]
        known = {field.name for field in fields(task)}
        options: dict[str, Any] = {"split": self.split, "language": self.language}
        for option, value in {"kinds": _listed(self.kinds), "size": self.size}.items():
            if value is None:
                continue
            if option not in known:
                raise UsageError(f"{name} has no {option} to choose; leave --{option} out")
            options[option] = value
        return task(**options)


@with_settings(wanted=_Wanted)
def eval_command(
    model: Annotated[str, typer.Argument(help="A model's name (see `gesso models`) or folder.")],
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}.")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="For log and report [runs/eval/MODEL-TASK-SPLIT-SEED].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
    *,
    wanted: _Wanted,
) -> None:
    """Score a model; every answer is logged, and an interrupted evaluation goes on where it was."""
    quiet_transformers()
    # wrong choices are told before the model, which may be large, is loaded
    chosen, plan = wanted.task(task), wanted.plan
    weights = weights_digest(folder_of(model))
    # named by what is asked, so that the same command finds its log again
    log = folder or Path("runs/eval") / f"{_file_name(model)}-{task}-{wanted.split}-{wanted.seed}"
    try:
        with progress_bar(err) as progress:
            bar = progress.add_task(task, total=plan.count)
            report = evaluate(
                load(model),
                chosen,
                plan,
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


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def _file_name(model: str) -> str:
    """A model's name or path as part of a file name."""
    # a model may be a path: its slashes would make folders, and leading dots hidden ones
    return re.sub(r"[^\w.-]+", "-", model).strip("-.") or "model"
