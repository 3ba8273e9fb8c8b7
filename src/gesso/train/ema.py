"""A moving average of a model's weights."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

__all__ = ["average_of", "decay_at"]

START: Final = 10  # updates over which the average stays near the weights


def average_of(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of a module that follows it: `average.update_parameters(module)` after each step.

    It holds the number of its updates, so that a checkpoint with it resumes exactly.

    Args:
        module: the model that is trained.
        decay: what is kept of the average in one update, once it has settled.
    """

    @torch.no_grad()
    def move(averages: PARAM_LIST, weights: PARAM_LIST, updates: Tensor | int) -> None:
        torch._foreach_lerp_(averages, weights, 1 - decay_at(int(updates), decay))

    average = AveragedModel(module, multi_avg_fn=move)
    average.requires_grad_(False)
    return average


def decay_at(updates: int, decay: float) -> float:
    """What is kept after so many updates: less at first, for a start is soon worth nothing.

    min(decay, (1 + n) / (10 + n)), the rule of TensorFlow's ExponentialMovingAverage.
    """
    return min(decay, (1 + updates) / (START + updates))
