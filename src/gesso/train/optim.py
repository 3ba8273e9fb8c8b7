"""Parameter groups with rates of their own, and the learning-rate schedule."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from gesso.config.schema import OptimSettings
from gesso.core.errors import ConfigError
from gesso.train.muon import MatrixMuon

__all__ = ["build_optimizers", "freeze", "learning_rate_factor"]


def freeze(parts: Mapping[str, nn.Module], patterns: Sequence[str]) -> None:
    """Keep weights as they are, in place.

    Args:
        parts: name -> module.
        patterns: regular expressions that occur in the names of these weights, "language.lm_head.weight".

    Raises:
        ConfigError: a pattern that fits no weight.
    """
    named = {f"{part}.{key}": p for part, module in parts.items() for key, p in module.named_parameters()}
    for pattern in patterns:
        found = [parameter for name, parameter in named.items() if re.search(pattern, name)]
        if not found:
            raise ConfigError(f"freeze names {pattern!r}, which occurs in no weight's name; "
                              f"names are like {next(iter(named))}")  # fmt: skip
        for parameter in found:
            parameter.requires_grad_(False)


def build_optimizers(
    parts: Mapping[str, nn.Module], settings: OptimSettings, tune: Mapping[str, float]
) -> list[Optimizer]:
    """Optimisers over the trainable parts; a part whose rate is 0 is frozen.

    AdamW moves everything, except that with `settings.muon` the matrices inside stacks of layers go to Muon.
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
    _check_rates(tune, parts)
    adamw: list[dict[str, Any]] = []
    muon: list[dict[str, Any]] = []
    seen: set[int] = set()
    for name, module in parts.items():
        rate = tune.get(name, settings.lr)
        fresh = [p for p in module.parameters() if id(p) not in seen]
        seen.update(map(id, fresh))
        for parameter in fresh:
            parameter.requires_grad_(rate > 0 and parameter.requires_grad)
        trained = [p for p in fresh if p.requires_grad]
        inner = _layer_matrices(module) if settings.muon else set()
        stacked = [p for p in trained if id(p) in inner]
        matrices = [p for p in trained if p.ndim >= 2 and id(p) not in inner]
        vectors = [p for p in trained if p.ndim < 2]
        muon += _group(name, stacked, rate * settings.muon, settings.weight_decay)
        adamw += _group(name, matrices, rate, settings.weight_decay)
        adamw += _group(name, vectors, rate, 0.0)
    optimizers: list[Optimizer] = []
    if muon:
        optimizers.append(MatrixMuon(muon))
    if adamw:
        # one fused kernel per step pays on a GPU only
        optimizers.append(AdamW(adamw, betas=(0.9, settings.beta2), fused=torch.cuda.is_available() or None))
    if not optimizers:
        raise ConfigError("every part is frozen (tune sets all rates to 0); nothing would be trained")
    return optimizers


def _check_rates(tune: Mapping[str, float], parts: Mapping[str, nn.Module]) -> None:
    unknown = sorted(set(tune) - set(parts))
    if unknown:
        raise ConfigError(f"tune names {', '.join(unknown)}; this model has {', '.join(parts)}")
    for name, rate in tune.items():
        if not rate >= 0:  # also refuses "not a number"
            raise ConfigError(f"tune.{name} is {rate}; a rate is positive, or 0 to freeze the part")


def _layer_matrices(module: nn.Module) -> set[int]:
    """Weights of linear maps and convolutions inside stacks of layers: Muon is made for these.

    Embeddings, patch convolutions, projectors and heads stand outside the stacks and stay with AdamW (Jordan
    et al. 2024).
    """
    stacks = (stack for stack in module.modules() if isinstance(stack, nn.ModuleList))
    return {id(m.weight) for stack in stacks for m in stack.modules() if isinstance(m, nn.Linear | nn.Conv2d)}


def _group(name: str, parameters: list[nn.Parameter], rate: float, decay: float) -> list[dict[str, Any]]:
    """One group, or none without parameters."""
    if not parameters:
        return []
    return [{"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay, "name": name}]


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
