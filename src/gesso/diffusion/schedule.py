"""Noise levels of a run and the solver that goes down them: Omost's, or a scheduler of diffusers by name."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import diffusers
import torch
from diffusers import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers
from torch import Tensor

from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError

__all__ = ["DEFAULT_SAMPLER", "TRAINED", "Schedule", "make_schedule", "make_scheduler", "samplers"]

DEFAULT_SAMPLER: Final = "dpmpp-2m-karras"

TRAINED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
    }
)
"""How SD 1.5 and SDXL were trained; a checkpoint's own scheduler config may say otherwise."""

OMOST: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "algorithm_type": "dpmsolver++",
        "solver_order": 2,
        "solver_type": "midpoint",
        "use_karras_sigmas": True,
        "final_sigmas_type": "zero",
    }
)
"""DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2) on Karras noise levels (arXiv 2206.00364, eq. 5).

Equal to the sampler in `lib_omost/pipeline.py` of lllyasviel/Omost at 731e749 up to rounding.
"""


UNUSABLE: Final = frozenset({"DPMSolverSDEScheduler", "EDMEulerScheduler", "LMSDiscreteScheduler"})
"""Need torchsde, a model trained for it, and scipy."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The noise levels of one run, and the solver, which counts its own steps: make one for each run.

    Attributes:
        scheduler: the solver, told where the run begins.
        timesteps: [steps] of the run.
    """

    scheduler: Any
    timesteps: Tensor
    _noised: frozenset[str] = field(default=frozenset(), repr=False)

    def start(self, initial: Tensor, noise: Tensor) -> Tensor:
        """Latents to begin with: the initial ones under noise of the first level.

        Args:
            initial: [B or 1, C, h, w]; zeros for a picture from nothing.
            noise: [B, C, h, w], standard normal.
        """
        first = self.timesteps[:1].repeat(len(noise))
        noised: Tensor = self.scheduler.add_noise(initial.expand_as(noise), noise, first)
        return noised

    def scale_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Latents as the UNet wants them at a timestep."""
        scaled: Tensor = self.scheduler.scale_model_input(latents, timestep)
        return scaled

    def step(
        self,
        predicted: Tensor,
        timestep: Tensor,
        latents: Tensor,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Tensor:
        """Latents of the next, lower noise level.

        Args:
            predicted: [B, C, h, w], the UNet's guided prediction.
            timestep: the timestep it was made at.
            latents: [B, C, h, w].
            generators: sources of fresh noise, one for each picture, for the solvers that draw some.
        """
        more = {"generator": list(generators)} if generators and "generator" in self._noised else {}
        return self.scheduler.step(predicted, timestep, latents, return_dict=False, **more)[0]  # type: ignore[no-any-return]

    def clean(self, scaled: Tensor, predicted: Tensor, number: int) -> Tensor:
        """The noiseless latent that a prediction amounts to (arXiv 2202.00512, appendix D).

        Args:
            scaled: [B, C, h, w], as the UNet wants them.
            predicted: [B, C, h, w], the guided prediction.
            number: the step it was made in, from 0.
        """
        kind = self.scheduler.config["prediction_type"]
        if kind == "sample":
            return predicted
        signal = self._signal(number).to(scaled)
        noise = (1 - signal).sqrt()
        if kind == "v_prediction":
            return signal.sqrt() * scaled - noise * predicted
        return (scaled - noise * predicted) / signal.sqrt()

    def _signal(self, number: int) -> Tensor:
        """Share of the signal in a latent's variance, alpha bar, at a step."""
        if self.scheduler.order == 1 and hasattr(self.scheduler, "sigmas"):
            sigmas: Tensor = self.scheduler.sigmas[
                -len(self.timesteps) - 1 :
            ]  # of the run; the last is the end
            return 1 / (1 + sigmas[number] ** 2)
        trained: Tensor = self.scheduler.alphas_cumprod
        return trained[round(float(self.timesteps[number]))]

    def level(self, kept: Tensor, noise: Tensor, done: int) -> Tensor:
        """A noiseless latent at the noise level that is reached after so many steps of the run."""
        if done == len(self.timesteps):
            return kept
        noised: Tensor = self.scheduler.add_noise(kept, noise, self.timesteps[done : done + 1])
        return noised


def samplers() -> tuple[str, ...]:
    """Names that `make_scheduler` knows: Omost's, and the classes that diffusers calls interchangeable."""
    return (DEFAULT_SAMPLER, *sorted(set(KarrasDiffusionSchedulers.__members__) - UNUSABLE))


def make_scheduler(sampler: str = DEFAULT_SAMPLER, config: Mapping[str, Any] | None = None) -> Any:
    """A scheduler of diffusers.

    Args:
        sampler: "dpmpp-2m-karras" for Omost's, or the class name of a scheduler such as
            "EulerAncestralDiscreteScheduler".
        config: the checkpoint's own scheduler config. Omost's sampler takes from it how the model was trained
            and nothing else; the others take all they know.

    Raises:
        UnknownNameError: there is no such sampler.
    """
    if sampler == DEFAULT_SAMPLER:
        trained = {key: (config or TRAINED).get(key, value) for key, value in TRAINED.items()}
        return DPMSolverMultistepScheduler(**trained, **OMOST)
    if sampler not in samplers():
        raise UnknownNameError("sampler", sampler, samplers())
    settings = {**TRAINED, **(config or {})}
    if sampler == "PNDMScheduler":
        settings["skip_prk_steps"] = True  # its warm-up works at the top of the levels only
    return getattr(diffusers, sampler).from_config(settings)


def make_schedule(
    sampler: str,
    steps: int,
    strength: float = 1.0,
    *,
    config: Mapping[str, Any] | None = None,
    device: torch.device | str = "cpu",
) -> Schedule:
    """The schedule of one run, which always takes exactly `steps` steps.

    As in Omost, a strength below 1 lays int(steps / strength) noise levels and runs the last of them, so
    strengths above steps / (steps + 1) change nothing.

    Args:
        sampler: see `make_scheduler`.
        steps: steps to take.
        strength: in (0, 1]; how far up the noise levels the run begins.
        config: the checkpoint's own scheduler config.
        device: where the latents are.

    Raises:
        UsageError: steps or strength lie outside their range.
        UnknownNameError: there is no such sampler.
    """
    if steps < 1:
        raise UsageError(f"steps is {steps}; it must be >= 1")
    if not 0 < strength <= 1:
        raise UsageError(f"strength is {strength}; it must be in (0, 1]")
    scheduler = make_scheduler(sampler, config)
    levels = int(steps / strength)
    scheduler.set_timesteps(levels, device=device)
    begin = (levels - steps) * scheduler.order  # solvers of second order take two timesteps for each step
    if hasattr(scheduler, "set_begin_index"):
        # timesteps may repeat in long schedules, so the solver must not look its place up by them
        scheduler.set_begin_index(begin)
    timesteps = scheduler.timesteps[begin:]
    if not len(timesteps):
        raise UnsupportedError(f"{sampler} cannot run {levels} levels; take more steps or another sampler")
    return Schedule(scheduler, timesteps, frozenset(inspect.signature(scheduler.step).parameters))
