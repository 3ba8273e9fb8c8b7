"""Checkpoints of a run: whole on disk or not at all, and resumed exactly."""

import shutil
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gesso.core.errors import TrainingError

__all__ = ["latest_checkpoint", "restore_checkpoint", "save_checkpoint"]

KEPT: Final = 2
STATE: Final = "state.pt"


def save_checkpoint(
    out: Path, step: int, module: nn.Module, optimizer: Optimizer, schedule: LRScheduler
) -> Path:
    """Write checkpoint `step-N` and delete all but the newest two.

    The folder appears under its name only when it is complete, so an interrupted save is never resumed.
    """
    folder = out / f"step-{step:07d}"
    temporary = out / f".{folder.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    state = {
        "step": step,
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "random": torch.get_rng_state(),
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


def restore_checkpoint(folder: Path, module: nn.Module, optimizer: Optimizer, schedule: LRScheduler) -> int:
    """Load a checkpoint into a run's parts and return its step.

    Raises:
        TrainingError: the checkpoint is damaged, or is of another model or parameter grouping.
    """
    try:
        state: dict[str, Any] = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise TrainingError(
            f"cannot resume from {folder}: {error}; delete it, or start anew with another run.out"
        ) from error
    return int(state["step"])


def _checkpoints(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("step-*") if (path / STATE).is_file())
