"""`gesso plan`: from a wish to a canvas."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gesso.cli.loading import load_model
from gesso.cli.options import with_settings
from gesso.cli.output import err, note, say
from gesso.cli.plan_view import follow, tell
from gesso.cli.sampling import GivenSampling
from gesso.core.errors import UsageError
from gesso.engines.canvas_files import (
    STANDARD_INPUT,
    canvas_json,
    check_canvas_path,
    read_canvas_file,
    write_canvas,
)
from gesso.engines.options import LoadOptions
from gesso.engines.plan_endpoint import endpoint_planner

if TYPE_CHECKING:
    from gesso.canvas.canvas import Canvas
    from gesso.engines.plan import Planner

__all__ = ["DEFAULT_PLANNER", "EndpointOptions", "plan_command"]

DEFAULT_PLANNER: Final = "mini-omost"
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Where the planner runs, if not here."""

    endpoint: Annotated[
        str | None,
        typer.Option(
            help="OpenAI-compatible server to ask, such as http://127.0.0.1:8000/v1.", metavar="URL"
        ),
    ] = None
    api_key: Annotated[
        str | None, typer.Option(envvar="GESSO_API_KEY", help="API key of the server.", show_envvar=True)
    ] = None
    timeout: Annotated[
        float | None, typer.Option(help=f"Seconds to wait for each piece of its reply [{PATIENCE:g}].")
    ] = None
    context: Annotated[
        int | None, typer.Option(min=1, help="Tokens its model takes, prompt and reply together.")
    ] = None

    def planner(self, model: str | None, options: LoadOptions) -> "Planner":
        """The planner: a model of this name behind the server, or loaded here.

        Raises:
            UsageError: an option is given that has no meaning there.
        """
        if self.endpoint is None:
            if self.context is not None or self.timeout is not None:
                raise UsageError("--context and --timeout are of a server; give its --endpoint, or leave "
                                 "them out")  # fmt: skip
            return load_model(model or DEFAULT_PLANNER, options).planner
        if model is None:
            raise UsageError("the model's name at the server is missing; give it with --model")
        if options != LoadOptions():
            raise UsageError("--device, --dtype, --base and --threads are of a model that is loaded here; "
                             "leave them out, or leave --endpoint out")  # fmt: skip
        patience = PATIENCE if self.timeout is None else self.timeout
        return endpoint_planner(
            self.endpoint, model, api_key=self.api_key, timeout=patience, context=self.context
        )


@with_settings(server=EndpointOptions, sampling=GivenSampling, options=LoadOptions)
def plan_command(
    wish: Annotated[str, typer.Argument(help='What the picture is to show; "-" is standard input.')],
    edit: Annotated[
        str | None,
        typer.Option(
            metavar="CANVAS", help='Canvas to change: program, reply, JSON or painted PNG; "-" is stdin.'
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help=f"A name, folder or repository; if left out, {DEFAULT_PLANNER}."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json/--source", help="Print JSON, or the canvas program.")
    ] = False,
    out: Annotated[
        list[Path] | None, typer.Option(help="Write it, too: .json, .py, or a layout as .png or .svg.")
    ] = None,
    *,
    server: EndpointOptions,
    sampling: GivenSampling,
    options: LoadOptions,
) -> None:
    """Plan a canvas for a wish, or change one; its regions are shown as they come."""
    wish, canvas = _inputs(wish, edit)
    for path in out or ():
        check_canvas_path(path)
    planner = server.planner(model, options)
    chosen = sampling.over(planner.settings.sampling)
    plan = follow(planner.stream(wish, canvas=canvas, sampling=chosen), err)
    tell(plan)
    for path in out or ():
        write_canvas(plan.canvas, path)
        note(f"saved to {path}")
    say(canvas_json(plan.canvas) if as_json else plan.canvas.to_source().rstrip("\n"))


def _inputs(wish: str, edit: str | None) -> tuple[str, "Canvas | None"]:
    """The wish, and the canvas to change."""
    if STANDARD_INPUT == wish == edit:
        raise UsageError("wish and canvas are both -; standard input can be only one of them")
    canvas = None if edit is None else read_canvas_file(edit)
    return (sys.stdin.read().strip() if wish == STANDARD_INPUT else wish), canvas
