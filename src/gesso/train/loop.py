"""The only training loop."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError, TrainingError
from gesso.train.batching import example_order
from gesso.train.checkpoint import latest_checkpoint, restore_checkpoint, save_checkpoint
from gesso.train.grouping import modality_order
from gesso.train.log import RunLog
from gesso.train.objectives.base import FollowsSteps, HasLengths, Objective
from gesso.train.optim import build_optimizers, freeze, learning_rate_factor
from gesso.train.shard import ShardedLoss, check_launcher, check_shard, make_whole, whole

__all__ = ["train"]

Loss = Callable[[Any], tuple[Tensor, dict[str, float]]]


def train(recipe: Recipe, build: Callable[[], Objective]) -> Path:
    """Run a recipe to its end, going on from its last checkpoint if there is one.

    Args:
        recipe: the settings.
        build: makes the objective, called once the seed is set.

    Returns:
        The folder of the finished model.

    Raises:
        TrainingError: the loss is no longer finite; the last checkpoint is left as it was.
        ConfigError: a setting that would change nothing, or a model that cannot be spread as asked.
    """
    run, out = recipe.run, Path(recipe.run.out)
    check_launcher()  # accelerate may know no more than that deepspeed is not installed
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    check_shard(recipe, accelerator.num_processes)
    set_seed(run.seed)
    objective = build()
    if run.threads:
        torch.set_num_threads(run.threads)
    # before the optimizer, whose state follows the weights
    loss = _placed_loss(objective, recipe, accelerator.device)
    freeze(objective.parts, recipe.freeze)
    optimizers = build_optimizers(objective.parts, recipe.optim, recipe.tune)
    newest = latest_checkpoint(out)
    start = restore_checkpoint(newest, objective.module, optimizers) if newest else 0
    step = _Step(accelerator, objective, loss, optimizers, recipe)
    batches = _batches(objective, recipe, accelerator, start)
    main = accelerator.is_main_process
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    with RunLog(out, run.steps, start, quiet=not main) as log:
        clock = _Clock()
        for number in range(start + 1, run.steps + 1):
            factor = learning_rate_factor(number - 1, recipe.optim, run.steps)
            for group in groups:
                group["lr"] = group["peak"] * factor
            figures = step(batches)
            clock.count(figures["tokens"])
            log.advance(number)
            if number % run.log_every == 0 or number == run.steps:
                rate = max(group["lr"] for group in groups)
                log.write({"step": number, "lr": rate, **figures, **clock.read()})
            if number % run.save_every == 0 or number == run.steps:
                save_checkpoint(out, number, objective.module, optimizers, write=main)
    make_whole(objective.module, main)
    if main:
        objective.save(out / "final")
    return out / "final"


def _placed_loss(objective: Objective, recipe: Recipe, device: torch.device) -> Loss:
    """The loss of an objective whose model is where it will be trained, whole or in part."""
    objective.module.train()
    if recipe.run.shard != "none":
        return ShardedLoss(objective, device, keep=recipe.run.shard == "zero2")
    objective.module.to(device)
    return objective.loss


class _Step:
    """One optimiser step: forward and backward over the micro-batches, clip, move."""

    def __init__(
        self,
        accelerator: Accelerator,
        objective: Objective,
        loss: Loss,
        optimizers: list[Optimizer],
        recipe: Recipe,
    ) -> None:
        self._accelerator, self._objective, self._optimizers = accelerator, objective, optimizers
        self._loss, self._averages = loss, accelerator.num_processes > 1 and recipe.run.shard == "none"
        self._clip, self._accumulate = recipe.optim.clip, recipe.run.accumulate
        # not accelerate's own switch: that is fixed for the process by the first run in it
        self._half = recipe.run.precision == "bf16"
        weights = (p for part in objective.parts.values() for p in part.parameters() if p.requires_grad)
        self._trained = list(dict.fromkeys(weights))  # parts may share some

    def __call__(self, batches: Iterator[Any]) -> dict[str, float]:
        """Take one step and return its mean figures."""
        totals: dict[str, float] = {}
        for _ in range(self._accumulate):
            batch = _to_device(next(batches), self._accelerator.device)
            with torch.autocast(self._accelerator.device.type, torch.bfloat16, enabled=self._half):
                loss, figures = self._loss(batch)
            self._accelerator.backward(loss / self._accumulate)
            tokens = figures.pop("tokens", 0.0)
            totals["tokens"] = totals.get("tokens", 0.0) + tokens
            for name, value in {"loss": float(loss.detach()), **figures}.items():
                totals[name] = totals.get(name, 0.0) + value / self._accumulate
        if not math.isfinite(totals["loss"]):
            raise TrainingError("the loss is no longer finite; lower optim.lr or set optim.clip, and resume")
        if self._averages:
            self._average_gradients()
        if self._clip:
            norm = torch.nn.utils.clip_grad_norm_(self._trained, self._clip)
            totals["norm"] = float(whole(norm, keep=True))
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if isinstance(self._objective, FollowsSteps):
            self._objective.after_step()
        return totals

    def _average_gradients(self) -> None:
        """Give every process the mean gradient, in one message.

        The objectives call submodules directly, past any wrapper of the whole model that would do this.
        """
        for parameter in self._trained:
            if parameter.grad is None:  # a batch without pictures leaves the tower without gradients
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in self._trained if p.grad is not None])
        mean = self._accelerator.reduce(flat, reduction="mean")
        for parameter, part in zip(
            self._trained, mean.split([p.numel() for p in self._trained]), strict=True
        ):
            parameter.grad = part.view_as(parameter)


class _Clock:
    """Tokens per second since the last reading, and seconds in all."""

    def __init__(self) -> None:
        self._begin = self._last = time.perf_counter()
        self._tokens = 0.0

    def count(self, tokens: float) -> None:
        self._tokens += tokens

    def read(self) -> dict[str, float]:
        now = time.perf_counter()
        speed = self._tokens / max(now - self._last, 1e-9)
        self._last, self._tokens = now, 0.0
        return {"tokens_per_s": speed, "seconds": now - self._begin}


class _Batches(Dataset[Any]):
    """Micro-batch number -> batch, so that worker processes can make them."""

    def __init__(self, objective: Objective, recipe: Recipe, per_step: int) -> None:
        self._objective, self._batch, self._seed = objective, recipe.run.batch, recipe.run.seed
        self._order = _Grouped(objective, recipe, per_step) if recipe.run.grouped else None

    def __getitem__(self, number: int) -> Any:
        order = example_order(number, self._batch, self._objective.examples, self._seed, self._order)
        return self._objective.batch(order.tolist(), number)


class _Grouped:
    """Orders of epochs by modality and length; no closure, as worker processes get a copy of it."""

    def __init__(self, objective: Objective, recipe: Recipe, per_step: int) -> None:
        if not isinstance(objective, HasLengths):
            raise ConfigError(f"run.grouped means nothing to a {recipe.objective} recipe; leave it out")
        self._lengths, self._run, self._per_step = list(objective.lengths), recipe.run, per_step
        self._known: dict[int, list[int]] = {}

    def __call__(self, epoch: int) -> list[int]:
        if epoch not in self._known:
            generator = torch.Generator().manual_seed(self._run.seed * 1_000_003 + epoch)
            order = modality_order(self._lengths, self._run.batch, self._per_step, generator, generator)
            # a batch across the border of epochs needs both orders
            self._known = {epoch: order, **{e: o for e, o in self._known.items() if e == epoch - 1}}
        return self._known[epoch]


def _batches(objective: Objective, recipe: Recipe, accelerator: Accelerator, start: int) -> Iterator[Any]:
    """Micro-batches from step `start` on; each of n processes takes every n-th."""
    per_step = recipe.run.accumulate * accelerator.num_processes
    numbers = range(
        start * per_step + accelerator.process_index, recipe.run.steps * per_step, accelerator.num_processes
    )
    return iter(
        DataLoader(
            _Batches(objective, recipe, per_step),
            batch_size=None,
            sampler=numbers,
            num_workers=recipe.run.workers,
            generator=torch.Generator(),  # otherwise it draws from the one a checkpoint has just restored
        )
    )


def _to_device(value: Any, device: torch.device) -> Any:
    """Move every tensor of a batch, whatever tuples, lists and dataclasses it is made of."""
    match value:
        case Tensor():
            return value.to(device, non_blocking=True)
        case int():
            return value
        case list() | tuple():
            return type(value)(_to_device(item, device) for item in value)
        case _:
            names = type(value).__dataclass_fields__
            return type(value)(*(_to_device(getattr(value, name), device) for name in names))
