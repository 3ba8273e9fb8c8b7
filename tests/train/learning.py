"""Some steps on one batch: what the tests of the objectives share."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from gesso.train.objectives.base import FollowsSteps, Objective


def learn(
    objective: Objective, batch: Any, steps: int, lr: float, parameters: Iterable[nn.Parameter] | None = None
) -> list[dict[str, float]]:
    """Take steps with Adam; returns the figures of each, the loss among them."""
    chosen = objective.module.parameters() if parameters is None else parameters
    optimizer = torch.optim.Adam(chosen, lr=lr)
    told = []
    for _ in range(steps):
        loss, figures = objective.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if isinstance(objective, FollowsSteps):
            objective.after_step()
        told.append({**figures, "loss": float(loss.detach())})
    return told
