"""The `gesso` command."""

import os
import sys
from typing import Annotated, Final

import typer

import gesso
from gesso.cli import models, storybook
from gesso.cli.chat import ask_command, chat_command
from gesso.cli.output import DEBUG, run_guarded, say
from gesso.core.registry import import_target

__all__ = ["app", "common", "eval_later", "run", "train_later"]

LATER: Final = {"train": "gesso.cli.train:train_command", "eval": "gesso.cli.evaluate:eval_command"}
"""Commands whose modules are imported only when they are called."""

# arguments go through unread: the real command, with its own --help, reads them
PASS_ON: Final = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

app = typer.Typer(
    name="gesso",
    help="Multimodal models that see, listen, talk, plan and paint.",
    no_args_is_help=True,
    # errors end in `run_guarded`; what gets past it is a bug, and wants Python's own plain traceback
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("chat")(chat_command)
app.command("ask")(ask_command)
app.add_typer(models.app, name="models")
app.command("doctor")(models.doctor_command)
app.add_typer(storybook.app, name="storybook")


def _print_version(wanted: bool) -> None:
    if wanted:
        say(gesso.__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show where errors come from.", envvar=DEBUG)]


@app.callback()
def common(version: Version = False, debug: Debug = False) -> None:
    """Multimodal models that see, listen, talk, plan and paint."""
    if debug:
        # by the environment, which processes that training starts inherit
        os.environ[DEBUG] = "1"


@app.command("train", context_settings=PASS_ON, add_help_option=False)
def train_later(context: typer.Context) -> None:
    """Train a model by a recipe: gesso train RECIPE, then settings as KEY=VALUE."""
    _call_later("train", context.args)


@app.command("eval", context_settings=PASS_ON, add_help_option=False)
def eval_later(context: typer.Context) -> None:
    """Score a model on a task, with count, standard error and seed."""
    _call_later("eval", context.args)


def run() -> None:
    """Run the command line and leave with its exit code."""
    # a name of our own: as `python -m gesso` the program would be called __main__.py
    sys.exit(run_guarded(lambda: app(prog_name="gesso")))


def _call_later(verb: str, arguments: list[str]) -> None:
    command = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    command.command()(import_target(LATER[verb]))
    command(arguments, prog_name=f"gesso {verb}")
