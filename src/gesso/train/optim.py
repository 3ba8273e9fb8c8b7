"""Parameter groups with rates of their own, and the learning-rate schedule."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW

from gesso.config.schema import OptimSettings
from gesso.core.errors import ConfigError

__all__ = ["build_optimizer", "learning_rate_factor"]


def build_optimizer(
    parts: Mapping[str, nn.Module], settings: OptimSettings, tune: Mapping[str, float]
) -> AdamW:
    """AdamW over the trainable parts; a part whose rate is 0 is frozen.

    Matrices decay, vectors (norms, biases) do not. A parameter that two parts share (tied embeddings)
    counts to the first. Each group keeps its highest rate as "peak", for `learning_rate_factor`.

    Args:
        parts: name -> module, such as "vision", "projector", "language".
        settings: rates shared by all parts.
        tune: name -> peak rate of that part; parts that are not named take `settings.lr`.

    Raises:
        ConfigError: `tune` names a part the model does not have, holds a negative rate, or leaves nothing
            to train.
    """
    unknown = sorted(set(tune) - set(parts))
    if unknown:
        raise ConfigError(f"tune names {', '.join(unknown)}; this model has {', '.join(parts)}")
    for name, rate in tune.items():
        if not rate >= 0:  # also refuses "not a number"
            raise ConfigError(f"tune.{name} is {rate}; a rate is positive, or 0 to freeze the part")
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for name, module in parts.items():
        rate = tune.get(name, settings.lr)
        fresh = [p for p in module.parameters() if id(p) not in seen]
        seen.update(map(id, fresh))
        for parameter in fresh:
            parameter.requires_grad_(rate > 0 and parameter.requires_grad)
        trained = [p for p in fresh if p.requires_grad]
        for decay, chosen in (
            (settings.weight_decay, [p for p in trained if p.ndim >= 2]),
            (0.0, [p for p in trained if p.ndim < 2]),
        ):
            if chosen:
                group = {"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay, "name": name}
                groups.append(group)
    if not groups:
        raise ConfigError("every part is frozen (tune sets all rates to 0); nothing would be trained")
    # one fused kernel per step pays on a GPU only
    return AdamW(groups, betas=(0.9, settings.beta2), fused=torch.cuda.is_available() or None)


def learning_rate_factor(step: int, settings: OptimSettings, steps: int) -> float:
    """Rate of a step as a share of the peak: linear warm-up, then a half cosine down to `final`.

    A function of its arguments alone, so a resumed run needs no schedule restored.

    Args:
        step: steps taken so far, from 0.
        settings: shares of warm-up and of the last rate.
        steps: steps of the whole run.
    """
    warmup = max(1, round(settings.warmup * steps))
    if step < warmup:  # step 0 already moves: a rate of 0 would waste its batch
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return settings.final + (1 - settings.final) * 0.5 * (1 + math.cos(math.pi * progress))
