from dataclasses import fields

import pytest
import typer
from typer.testing import CliRunner

from gesso.cli.options import with_settings
from gesso.cli.sampling import GivenSampling
from gesso.core.errors import UsageError
from gesso.core.sampling import Sampling

app = typer.Typer()


@app.command()
@with_settings(sampling=GivenSampling)
def show(*, sampling: GivenSampling) -> None:
    typer.echo(sampling.over(Sampling(temperature=0.6, seed=5, stop=("x",))))


def shown(*arguments: str) -> str:
    return CliRunner().invoke(app, arguments, catch_exceptions=False).output.strip()


def test_it_has_the_fields_of_sampling() -> None:
    assert [field.name for field in fields(GivenSampling)] == [field.name for field in fields(Sampling)]


def test_only_what_is_given_changes_anything() -> None:
    assert shown() == str(Sampling(temperature=0.6, seed=5, stop=("x",)))
    expected = Sampling(temperature=0.0, seed=5, top_k=0, stop=("a", "b"), max_new_tokens=9)
    given = ("--temperature", "0", "--top-k", "0", "--stop", "a", "--stop", "b", "--max-new-tokens", "9")
    assert shown(*given) == str(expected)


def test_what_is_out_of_range_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="top_p is 3"):
        GivenSampling(top_p=3)
