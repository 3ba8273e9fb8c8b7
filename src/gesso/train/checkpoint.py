"""Checkpoints of a run: whole on disk or not at all, and resumed exactly."""

import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.optim import Optimizer

from gesso.core.errors import TrainingError
from gesso.train.shard import parted_like, whole

__all__ = ["latest_checkpoint", "restore_checkpoint", "save_checkpoint"]

KEPT: Final = 2
STATE: Final = "state.pt"
# what reading a damaged or foreign file can raise: torch unpickles it, and takes its entries as they come
DAMAGE: Final = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError,
    pickle.UnpicklingError,
)  # fmt: skip


def save_checkpoint(
    out: Path, step: int, module: nn.Module, optimizers: Sequence[Optimizer], *, write: bool = True
) -> Path:
    """Write checkpoint `step-N` and delete all but the newest two.

    The folder appears under its name only when it is complete, so an interrupted save is never resumed. It
    holds whole tensors, however the model was spread: any number of processes may go on from it.

    Args:
        out: folder of the run.
        step: steps taken so far.
        module: what is trained; all processes that have parts of it call this.
        optimizers: over its weights.
        write: whether this is the process that writes.
    """
    folder = out / f"step-{step:07d}"
    weights = whole(dict(module.state_dict()), write)
    moments = [whole(optimizer.state_dict(), write) for optimizer in optimizers]
    if not write:
        return folder
    temporary = out / f".{folder.name}.tmp"
    # what an interrupted save of this step may have left
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    state = {
        "step": step,
        "module": weights,
        "optimizers": moments,
        "random": torch.get_rng_state(),
        # of this process's GPU only: asking the others would take memory on them
        "random_cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }
    torch.save(state, temporary / STATE)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    for old in _checkpoints(out)[:-KEPT]:
        shutil.rmtree(old)
    return folder


def latest_checkpoint(out: Path) -> Path | None:
    """The newest complete checkpoint of a run, if it has one."""
    found = _checkpoints(out)
    return found[-1] if found else None


def restore_checkpoint(folder: Path, module: nn.Module, optimizers: Sequence[Optimizer]) -> int:
    """Load a checkpoint into a run's parts and return its step.

    Of the optimisers only the moments come back. Rates and decays are those of the recipe, so that a changed
    recipe takes effect.

    Raises:
        TrainingError: the checkpoint is damaged, or is of another model or parameter grouping.
    """
    try:
        state: dict[str, Any] = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        current = module.state_dict()
        weights = {name: parted_like(t, current.get(name, t)) for name, t in state["module"].items()}
        module.load_state_dict(weights)
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            _restore_moments(optimizer, saved)
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and state.get("random_cuda") is not None:
            torch.cuda.set_rng_state(state["random_cuda"])
        return int(state["step"])
    except DAMAGE as error:
        # torch's own text on this advises to load the file in an unsafe way
        detail = "it is no checkpoint" if isinstance(error, pickle.UnpicklingError) else error
        raise TrainingError(
            f"cannot resume from {folder}: {detail}; delete it, or start anew with another run.out"
        ) from error


def _restore_moments(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    current = optimizer.state_dict()
    # torch matches parameters by number alone; after a change of `tune` the same number may mean another
    if _outline(saved["param_groups"]) != _outline(current["param_groups"]):
        raise ValueError("its parameter groups are others; tune must train the same parts")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, moments in saved["state"].items():
        first = "exp_avg" if "exp_avg" in moments else "momentum_buffer"  # AdamW's or Muon's
        shape = moments[first].shape
        if shape != parameters[number].shape:
            raise ValueError(f"moments of shape {list(shape)} for {list(parameters[number].shape)}")
    state = {
        number: {name: parted_like(value, parameters[number]) for name, value in moments.items()}
        for number, moments in saved["state"].items()
    }
    optimizer.load_state_dict({"state": state, "param_groups": current["param_groups"]})


def _outline(groups: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Name and number of parameters of each group."""
    return [(group["name"], len(group["params"])) for group in groups]


def _checkpoints(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("step-*") if (path / STATE).is_file())
