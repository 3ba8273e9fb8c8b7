"""The denoising loop: from noise down to a latent, with someone watching who may stop it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image as Pictures
from torch import Tensor

from gesso.core.errors import GessoError, UsageError
from gesso.diffusion.guides import Guide, Step
from gesso.diffusion.schedule import Schedule

__all__ = ["Kept", "PaintingCancelledError", "Progress", "Run", "Stage", "Watch", "denoise"]

Stage = Literal["first", "hires"]


class PaintingCancelledError(GessoError):
    """Painting was stopped because the caller asked for it; there is no picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """How far painting has come.

    Attributes:
        stage: "first", or "hires" for the second pass at a larger size.
        step: steps done in this stage, from 1.
        steps: steps of this stage.
        preview: makes small pictures of the present state, for a moment's work.
    """

    stage: Stage
    step: int
    steps: int
    preview: Callable[[], list[Pictures.Image]]


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told about the steps, and who may stop them.

    Attributes:
        report: called after steps; None reports nothing.
        every: after how many steps each; the last step is always reported.
        cancelled: asked before each step, such as `threading.Event().is_set`; True ends painting.

    Raises:
        UsageError: `every` is below 1.
    """

    report: Callable[[Progress], None] | None = None
    every: int = 1
    cancelled: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        """Refuse to report after no steps."""
        if self.every < 1:
            raise UsageError(f"every is {self.every}; it must be >= 1 step")


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The part of a latent that is not painted.

    Attributes:
        latent: [1 or B, C, h, w], what is there, without noise.
        noise: [B, C, h, w], the noise the run began with.
        mask: [1, 1, h, w], 1 where it is painted.
    """

    latent: Tensor
    noise: Tensor
    mask: Tensor

    def restore(self, latents: Tensor, schedule: Schedule, done: int) -> Tensor:
        """Latents whose kept part is what is there, at the noise level reached after `done` steps."""
        there = schedule.level(self.latent.expand_as(latents), self.noise, done)
        return self.mask * latents + (1 - self.mask) * there


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one run of the loop goes by.

    Attributes:
        schedule: noise levels and solver, fresh.
        guide: asks the UNet.
        guidance_scale: see `Prediction.guided`.
        generators: one for each picture, for solvers that draw noise.
        kept: what must not change, if anything.
        report: told the number of each step done, and a way to get the noiseless latents [B, C, h, w] that
            the prediction amounted to.
        cancelled: asked before each step.
    """

    schedule: Schedule
    guide: Guide
    guidance_scale: float
    generators: Sequence[torch.Generator]
    kept: Kept | None = None
    report: Callable[[int, Callable[[], Tensor]], None] | None = None
    cancelled: Callable[[], bool] | None = None


@torch.no_grad()
def denoise(latents: Tensor, run: Run) -> Tensor:
    """Go down all levels of a schedule.

    Args:
        latents: [B, C, h, w] from `Schedule.start`.
        run: what the loop goes by.

    Raises:
        PaintingCancelledError: the caller asked to stop.
    """
    schedule, total = run.schedule, len(run.schedule.timesteps)
    for number, timestep in enumerate(schedule.timesteps):
        if run.cancelled is not None and run.cancelled():
            raise PaintingCancelledError(f"painting was cancelled after {number} of {total} steps")
        latents = _step(latents, run, Step(number, total, timestep, _scaler(schedule, timestep)))
        if run.kept is not None:
            latents = run.kept.restore(latents, schedule, number + 1)
    return latents


def _step(latents: Tensor, run: Run, step: Step) -> Tensor:
    latents = run.guide.refine(latents, step)
    scaled = step.scale_input(latents)
    predicted = run.guide.predict(scaled, step).guided(run.guidance_scale)
    following = run.schedule.step(predicted, step.timestep, latents, run.generators)
    if run.report is not None:
        run.report(step.number + 1, lambda: run.schedule.clean(scaled, predicted, step.number))
    return following


def _scaler(schedule: Schedule, timestep: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda latents: schedule.scale_input(latents, timestep)
