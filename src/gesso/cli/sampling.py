"""Sampling options that know whether they were given, for models with settings of their own."""

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

import typer

from gesso.cli.options import HELP
from gesso.core.sampling import Sampling

__all__ = ["GivenSampling"]


def _option(name: str) -> Any:
    return typer.Option(help=HELP[name], show_default=False, rich_help_panel="Settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSampling:
    """The fields of `Sampling`; None, or no stop text, leaves one to the model."""

    temperature: Annotated[float | None, _option("temperature")] = None
    top_p: Annotated[float | None, _option("top_p")] = None
    top_k: Annotated[int | None, _option("top_k")] = None
    max_new_tokens: Annotated[int | None, _option("max_new_tokens")] = None
    stop: Annotated[list[str] | None, _option("stop")] = None
    seed: Annotated[int | None, _option("seed")] = None
    repetition_penalty: Annotated[float | None, _option("repetition_penalty")] = None
    num_beams: Annotated[int | None, _option("num_beams")] = None

    def __post_init__(self) -> None:
        """Refuse what is out of range, before a model is loaded."""
        self.over(Sampling())

    @property
    def given(self) -> dict[str, Any]:
        """Option -> value, of those that were given."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen = {name: value for name, value in values.items() if value not in (None, (), [])}
        return {**chosen, "stop": tuple(self.stop)} if self.stop else chosen

    def over(self, others: Sampling) -> Sampling:
        """Settings that are others' where no option was given.

        Raises:
            UsageError: a value is out of range.
        """
        return replace(others, **self.given)
