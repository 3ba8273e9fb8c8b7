import shlex
from dataclasses import dataclass, fields
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from gesso.cli.options import HELP, with_settings
from gesso.core.errors import UsageError
from gesso.core.sampling import Sampling
from gesso.engines.options import LoadOptions

app = typer.Typer()


@app.command()
@with_settings(sampling=Sampling, options=LoadOptions)
def show(name: str, *, sampling: Sampling, options: LoadOptions) -> None:
    """Show what came."""
    typer.echo((name, sampling, options))


def _shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["x", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output.strip()


def test_without_options_the_defaults_are_those_of_the_settings() -> None:
    assert _shown() == str(("x", Sampling(), LoadOptions()))


def test_every_field_is_an_option() -> None:
    given = shlex.split(
        "--temperature 0.5 --top-p 0.9 --top-k 5 --max-new-tokens 7 --stop a --stop b --seed 3 "
        "--repetition-penalty 1.2 --num-beams 1 --device cpu --dtype float32 --base b --threads 2"
    )
    sampling = Sampling(
        temperature=0.5, top_p=0.9, top_k=5, max_new_tokens=7, stop=("a", "b"), seed=3, repetition_penalty=1.2
    )
    options = LoadOptions(device="cpu", dtype="float32", base="b", threads=2)
    assert _shown(*given) == str(("x", sampling, options))


def test_every_field_has_a_help_text() -> None:
    assert set(HELP) == {field.name for kind in (Sampling, LoadOptions) for field in fields(kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Settings of the command line itself, which say how they are typed."""

    count: Annotated[int, typer.Option("--number", min=1, help="How many of them.")] = 3


def test_settings_may_bring_their_own_options() -> None:
    own = typer.Typer()

    @own.command()
    @with_settings(chosen=Chosen)
    def show_chosen(*, chosen: Chosen) -> None:
        typer.echo(chosen.count)

    runner = CliRunner()
    assert runner.invoke(own, []).output == "3\n"
    assert runner.invoke(own, ["--number", "5"]).output == "5\n"
    assert runner.invoke(own, ["--number", "0"]).exit_code == 2
    assert "How many of them." in runner.invoke(own, ["--help"]).output


def test_limits_are_those_of_the_settings() -> None:
    with pytest.raises(UsageError, match="top_p is 3"):
        _shown("--top-p", "3")
