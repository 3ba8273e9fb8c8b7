"""Mixtral's experts: one weight each in published files, one for all in transformers 5."""

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from gesso.core.errors import CheckpointError

__all__ = ["stack_experts"]

EXPERT: Final = re.compile(r"(.+\.block_sparse_moe\.experts\.)(\d+)\.(w[123])\.weight")
ROLES: Final = ("w1", "w2", "w3")
"""Gate, down and up."""


def stack_experts(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights with each layer's experts joined; those of models without experts stay as they are.

    Letters: E experts, H width, I width within an expert.

    Returns:
        `....experts.gate_up_proj` [E, 2*I, H], the gate first, and `....experts.down_proj` [E, H, I].

    Raises:
        CheckpointError: an expert lacks a weight.
    """
    found: dict[str, dict[tuple[int, str], Tensor]] = {}
    others: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        match = EXPERT.fullmatch(key)
        if match is None:
            others[key] = tensor
        else:
            found.setdefault(match[1], {})[int(match[2]), match[3]] = tensor
    for prefix, weights in found.items():
        others |= _joined(prefix, weights)
    return others


def _joined(prefix: str, weights: Mapping[tuple[int, str], Tensor]) -> dict[str, Tensor]:
    count = 1 + max(expert for expert, _ in weights)
    missing = [
        f"{prefix}{e}.{role}.weight" for e in range(count) for role in ROLES if (e, role) not in weights
    ]
    if missing:
        raise CheckpointError(f"the checkpoint lacks {', '.join(missing[:5])}; a file of its weights is "
                              "missing, fetch it again")  # fmt: skip
    # [I, H] and [I, H] -> [2*I, H] of each expert
    pairs = [torch.cat([weights[e, "w1"], weights[e, "w3"]]) for e in range(count)]
    return {
        f"{prefix}gate_up_proj": torch.stack(pairs),  # [E, 2*I, H]
        f"{prefix}down_proj": torch.stack([weights[e, "w2"] for e in range(count)]),  # [E, H, I]
    }
