"""What the loop asks of an objective."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ["FollowsSteps", "HasLengths", "Objective"]


class Objective(Protocol):
    """One thing to learn. The loop knows nothing else about models or data."""

    @property
    def module(self) -> nn.Module:
        """Everything a checkpoint must hold."""
        ...

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """Name -> module, for the rates in `tune`."""
        ...

    @property
    def examples(self) -> int:
        """How many different examples there are."""
        ...

    def batch(self, examples: list[int], number: int) -> Any:
        """The tensors of micro-batch `number`, made of these examples.

        A function of its arguments alone, so that resumed runs see the same data.
        """
        ...

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """Mean loss of a batch, and figures for the log ("tokens" counts what was learned from)."""
        ...

    def show(self, example: int) -> str:
        """One example as rich markup: what the model sees, and, in colour, what it learns."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model as a folder that `gesso.load` and transformers read."""
        ...


@runtime_checkable
class FollowsSteps(Protocol):
    """An objective that wants to know when its weights have moved, such as for a moving average of them."""

    def after_step(self) -> None:
        """Called once after each step of the optimisers, before a checkpoint is written."""
        ...


@runtime_checkable
class HasLengths(Protocol):
    """An objective whose examples can be grouped by modality and length."""

    @property
    def lengths(self) -> Sequence[int]:
        """Lengths of the examples in any unit, negative for those without pictures.

        Raises:
            ConfigError: its data has none.
        """
        ...
