"""One model spread over processes: each keeps a part of the weights, of their gradients and of their moments.

torch's FSDP2 (`fully_shard`) does the work, in the processes that accelerate joins. "zero2" keeps the weights
whole from the forward to the backward pass and so divides gradients and moments only, which is stage 2 of
ZeRO (arXiv 1910.02054, section 5); "fsdp" fetches a layer's weights for the time it computes, which is stage
3. Between steps both keep a part of everything.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.train.objectives.base import Objective

__all__ = [
    "SHARDED", "ShardedLoss", "check_launcher", "check_shard", "decoder_layers", "make_whole", "parted_like",
    "whole",
]  # fmt: skip

SHARDED: Final = ("language", "vision-language", "planning", "preference", "subject-feature")
"""Objectives with a language model, which runs as often in every batch: all processes exchange its layers."""

FOREIGN: Final[Mapping[str, str]] = {
    "ACCELERATE_USE_DEEPSPEED": "--use_deepspeed",
    "ACCELERATE_USE_FSDP": "--use_fsdp",
    "ACCELERATE_USE_MEGATRON_LM": "--use_megatron_lm",
}
"""Ways of accelerate's launcher to spread a model, by the variable that tells of them."""


def check_launcher() -> None:
    """Refuse what would change nothing, by name.

    Raises:
        ConfigError: accelerate's launcher was told to spread the model in a way of its own.
    """
    for variable, option in FOREIGN.items():
        if os.environ.get(variable, "false").lower() in ("1", "true"):
            raise ConfigError(f"accelerate launch {option} would change nothing: gesso spreads models by "
                              "itself; leave it out, and set run.shard to zero2 or fsdp")  # fmt: skip


def check_shard(recipe: Recipe, processes: int) -> None:
    """Refuse what cannot be spread, by name.

    Args:
        recipe: the settings.
        processes: how many train.

    Raises:
        ConfigError: `run.shard` with one process, with Muon, or with an objective that has no language model.
    """
    shard = recipe.run.shard
    if shard == "none":
        return
    if recipe.objective not in SHARDED:
        raise ConfigError(f"run.shard {shard} for a {recipe.objective} recipe; allowed for "
                          f"{', '.join(SHARDED)}: leave it out")  # fmt: skip
    if recipe.optim.muon:
        raise ConfigError(f"run.shard {shard} with optim.muon, which moves whole matrices where a process "
                          "has only parts of them; leave one of them out")  # fmt: skip
    if processes == 1:
        raise ConfigError(f"run.shard {shard} with one process; start several (torchrun or accelerate "
                          "launch, or run.processes on a CPU), or leave it out")  # fmt: skip


class ShardedLoss(nn.Module):
    """The loss of an objective, whose model is spread over all processes as long as this lives.

    The layers of the language model are fetched one by one, everything else (towers, projectors, table, head)
    for a whole pass: a batch without pictures then asks for the same weights as one with.

    Args:
        objective: its module is on the CPU; the part of it that this process keeps moves to the device.
        device: where it computes.
        keep: whether weights stay whole from the forward to the backward pass.
    """

    def __init__(self, objective: Objective, device: torch.device, *, keep: bool) -> None:
        super().__init__()
        self.module = objective.module
        self._loss = objective.loss
        mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
        for layer in decoder_layers(self.module):
            fully_shard(layer, mesh=mesh, reshard_after_forward=not keep)
        fully_shard(self, mesh=mesh, reshard_after_forward=False)
        if device.type == "cpu":
            for module in _sharded(self):
                # gloo adds up, but has no mean
                module.set_force_sum_reduction_for_comms(True)

    def forward(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """Loss and figures of a batch."""
        loss, figures = self._loss(batch)
        # processes exchange the gradients of all weights that learn; those this batch did not need get zeros
        here = (p for p in self.parameters() if p.requires_grad and not isinstance(p, DTensor))
        return loss + 0 * sum(p.flatten()[0] for p in here), figures


def decoder_layers(module: nn.Module) -> list[nn.Module]:
    """Layers of all language models inside: what stands beside a table of token embeddings."""
    owners = (owner for owner in module.modules() if hasattr(owner, "embed_tokens"))
    stacks = (getattr(owner, "layers", None) for owner in owners)
    return [layer for stack in stacks if isinstance(stack, nn.ModuleList) for layer in stack]


def make_whole(module: nn.Module, keep: bool) -> None:
    """Put whole weights on the CPU in place of the parts, for saving; all processes take part.

    Args:
        module: cannot be trained any further.
        keep: whether this process gets them, too.
    """
    for sharded in _sharded(module):
        sharded.reshard()
    known: dict[int, nn.Parameter] = {}  # modules may share a weight
    for owner in module.modules():
        for name, weight in owner.named_parameters(recurse=False):
            if isinstance(weight, DTensor):
                full = whole(weight.detach(), keep)
                found = known.setdefault(id(weight), nn.Parameter(full, False)) if keep else None
                owner.register_parameter(name, found)


def whole(value: Any, keep: bool) -> Any:
    """Nested lists and dictionaries with whole tensors on the CPU for parts; all processes take part.

    Args:
        value: what may hold parts of tensors anywhere.
        keep: whether this process gets the tensors; else it gets None for them.
    """
    match value:
        case DTensor():
            full = value.full_tensor()
            return full.cpu() if keep else None
        case dict():
            return {name: whole(each, keep) for name, each in value.items()}
        case list():
            return [whole(each, keep) for each in value]
        case _:
            return value


def parted_like(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, as `like` is parted; the tensor itself if that is whole."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    # every process has read the same file: nothing is sent
    parted: Tensor = distribute_tensor(
        value.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )
    return parted


def _sharded(module: nn.Module) -> list[FSDPModule]:
    return [each for each in module.modules() if isinstance(each, FSDPModule)]
