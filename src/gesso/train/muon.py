"""Muon for convolutions, too, and for all matrices of one shape at once."""

import math
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Muon

__all__ = ["MatrixMuon"]

RMS: Final = 0.2
"""Of AdamW's updates, which ours are as large as, so that one rate suits both (arXiv 2502.16982, 2.2)."""


class MatrixMuon(Muon):
    """torch's Muon for weights of two dimensions or more; all but the first count as one.

    A kernel [out, in, h, w] is the matrix [out, in*h*w] that is multiplied with unfolded pieces of a feature
    map. torch moves one matrix after the other, thousands of kernels a step for a UNet; here matrices of one
    shape are moved together. Source: K. Jordan et al., "Muon" (2024), section on convolutions.

    Args:
        groups: parameter groups.
        settings: of torch's Muon, but `adjust_lr_fn`: updates are as large as AdamW's.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], **settings: Any) -> None:
        self._pairs: list[tuple[nn.Parameter, nn.Parameter]] = []
        flat = [{**group, "params": [self._matrix(p) for p in group["params"]]} for group in groups]
        super().__init__(flat, adjust_lr_fn="match_rms_adamw", **settings)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move the weights, as torch's Muon does."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for weight, matrix in self._pairs:
            matrix.grad = None if weight.grad is None else weight.grad.flatten(1)
        for group in self.param_groups:
            self._move(group)
        return loss

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

    def _move(self, group: dict[str, Any]) -> None:
        given = [(matrix, matrix.grad) for matrix in group["params"] if matrix.grad is not None]
        if not given:
            return
        matrices: list[Tensor] = [matrix for matrix, _ in given]
        grads: list[Tensor] = [grad for _, grad in given]
        momenta = [self._momentum(matrix) for matrix in matrices]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        updates = torch._foreach_lerp(grads, momenta, group["momentum"]) if group["nesterov"] else momenta
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        shapes: dict[torch.Size, list[int]] = {}
        for number, matrix in enumerate(matrices):
            shapes.setdefault(matrix.shape, []).append(number)
        for shape, numbers in shapes.items():
            moved = [matrices[number] for number in numbers]
            stacked = torch.stack([updates[number] for number in numbers])  # [N, m, n]
            directions = _orthogonal(stacked, group).to(moved[0].dtype)
            rate = group["lr"] * RMS * math.sqrt(max(shape))
            torch._foreach_add_(moved, list(directions.unbind()), alpha=-rate)

    def _momentum(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        found: Tensor = state["momentum_buffer"]
        return found


def _orthogonal(matrices: Tensor, group: dict[str, Any]) -> Tensor:
    """Matrices [N, m, n] with singular values near 1, by Newton-Schulz iterations in bfloat16."""
    a, b, c = group["ns_coefficients"]
    tall = matrices.shape[1] > matrices.shape[2]
    found = matrices.mT.bfloat16() if tall else matrices.bfloat16()
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = found @ found.mT
        gram = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        found = torch.baddbmm(found, gram, found, beta=a)
    return found.mT if tall else found
