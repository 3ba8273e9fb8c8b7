"""The `gesso` command."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

import gesso
from gesso.cli import models, storybook
from gesso.cli.chat import ask_command, chat_command
from gesso.cli.output import DEBUG, run_guarded, say
from gesso.core.registry import import_target

__all__ = ["app", "common", "run"]

LATER: Final = {
    "plan": ("gesso.cli.plan:plan_command", "Plan a canvas for a wish, or change one."),
    "canvas": ("gesso.cli.canvas:app", "Show, check, compare and change canvases."),
    "paint": (
        "gesso.cli.paint:paint_command",
        "Paint a wish, a canvas, or a picture of gesso's once more.",
    ),
    "repaint": ("gesso.cli.paint:repaint_command", "Paint regions of a picture anew, and keep the rest."),
    "dream": (
        "gesso.cli.dream:dream_command",
        "Paint a text with DeepFloyd IF, anew or from a picture.",
    ),
    "upscale": (
        "gesso.cli.upscale:upscale_command",
        "Make a picture four times as large; its recipe stays with it.",
    ),
    "transcribe": (
        "gesso.cli.transcribe:transcribe_command",
        "Write down what is said in recordings, as text or subtitles.",
    ),
    "personalize": (
        "gesso.cli.personalize:personalize_command",
        "Paint this subject, from one reference, in a new picture.",
    ),
    "train": (
        "gesso.cli.train:train_command",
        "Train a model by a recipe: gesso train RECIPE, then settings as KEY=VALUE.",
    ),
    "eval": (
        "gesso.cli.evaluate:eval_command",
        "Score a model on a task, with count, standard error and seed.",
    ),
}
"""Commands whose modules are imported only when they are called: what runs them, and a line for the list."""

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


def run() -> None:
    """Run the command line and leave with its exit code."""
    # a name of our own: as `python -m gesso` the program would be called __main__.py
    sys.exit(run_guarded(lambda: app(prog_name="gesso")))


def _call_later(verb: str, arguments: list[str]) -> None:
    target = import_target(LATER[verb][0])
    if isinstance(target, typer.Typer):
        command = target
    else:
        command = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        command.command()(target)
    command(arguments, prog_name=f"gesso {verb}")


def _later(verb: str) -> Callable[[typer.Context], None]:
    def call(context: typer.Context) -> None:
        _call_later(verb, context.args)

    return call


for _verb, (_, _about) in LATER.items():
    app.command(_verb, help=_about, context_settings=PASS_ON, add_help_option=False)(_later(_verb))
