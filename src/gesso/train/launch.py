"""Starting a run in one process or in several."""

import os
import socket
from pathlib import Path

from torch.multiprocessing.spawn import spawn

from gesso.config.schema import Recipe
from gesso.train.loop import train
from gesso.train.objectives.base import Objective
from gesso.train.recipes import build_objective

__all__ = ["launch"]


def launch(recipe: Recipe) -> Path:
    """Run a recipe, in as many processes as it asks for; under torchrun, in this one.

    Returns:
        The folder of the finished model.
    """
    processes = recipe.run.processes
    if processes == 1 or "WORLD_SIZE" in os.environ:
        return _run(recipe)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(_run_as, (processes, port, recipe), nprocs=processes)
    return Path(recipe.run.out) / "final"


def _run(recipe: Recipe) -> Path:
    return train(recipe, lambda: _built(recipe))


def _built(recipe: Recipe) -> Objective:
    """The objective with all its examples: those that are made first (sampled pairs) are made now."""
    objective = build_objective(recipe)
    _ = objective.examples
    return objective


def _run_as(rank: int, processes: int, port: int, recipe: Recipe) -> None:
    """Body of one spawned process; the variables are those torchrun sets."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    _run(recipe)
