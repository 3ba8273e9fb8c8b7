"""`gesso train`: run a recipe, or show what it would teach."""

from pathlib import Path
from typing import Annotated

import typer

from gesso.cli.loading import quiet_transformers
from gesso.cli.output import out

__all__ = ["train_command"]


def train_command(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's name, such as mini/llava-finetune, or a YAML file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as run.steps=100."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print one example, with what is learned in green, and stop.")
    ] = False,
) -> None:
    """Train a model; a run that was interrupted goes on where it was."""
    # here, so that `gesso train --help` needs no torch
    from gesso.config.load import load_recipe
    from gesso.train.launch import launch
    from gesso.train.log import plot_log
    from gesso.train.recipes import build_objective

    # first: a wrong recipe is told at once, before accelerate and the data are set up
    settings = load_recipe(recipe, overrides or ())
    quiet_transformers()
    if dry_run:
        # the objective a run would use, so what is shown is what would be learned
        out.print(build_objective(settings).show(0))
        return
    folder = launch(settings)
    log = Path(settings.run.out) / "log.jsonl"
    plot_log(log, log.with_name("loss.png"))
    out.print(f"model: {folder}\nlog: {log}")
