"""Loading a model for a command, with a sign of life on standard error."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from gesso.cli.output import err
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.api import Model

__all__ = ["load_model", "quiet_transformers"]


def load_model(name: str, options: LoadOptions) -> "Model":
    """Load a model as `gesso.load` does; errors as there."""
    with err.status(f"loading {escape(name)}"):  # drawn on a terminal only
        from gesso.api import Model
        from gesso.engines.pool import load_engine

        quiet_transformers()
        return Model(name, load_engine(name, options))


def quiet_transformers() -> None:
    """Keep transformers' notes and progress bars off standard error; the command has its own."""
    from transformers.utils import logging

    chatter: Any = logging
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
