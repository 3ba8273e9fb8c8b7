"""Muon for convolutions, too: their kernels are moved as matrices."""

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import Muon

__all__ = ["MatrixMuon"]


class MatrixMuon(Muon):
    """torch's Muon for weights of two dimensions or more; all but the first count as one.

    A kernel [out, in, h, w] is the matrix [out, in*h*w] that is multiplied with unfolded pieces of a feature
    map. Source: K. Jordan et al., "Muon" (2024), section on convolutions.

    Args:
        groups: parameter groups.
        settings: of torch's Muon.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], **settings: Any) -> None:
        self._pairs: list[tuple[nn.Parameter, nn.Parameter]] = []
        flat = [{**group, "params": [self._matrix(p) for p in group["params"]]} for group in groups]
        super().__init__(flat, **settings)

    def step(self, closure: Any = None) -> Any:
        """Move the weights, as torch's Muon does."""
        for weight, matrix in self._pairs:
            matrix.grad = None if weight.grad is None else weight.grad.flatten(1)
        return super().step(closure)  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        super().zero_grad(set_to_none)
        for weight, _ in self._pairs:
            weight.grad = None

    def _matrix(self, weight: nn.Parameter) -> nn.Parameter:
        """A parameter of two dimensions in the same memory: moving the one moves the other."""
        matrix = nn.Parameter(weight.detach().flatten(1))
        self._pairs.append((weight, matrix))
        return matrix
