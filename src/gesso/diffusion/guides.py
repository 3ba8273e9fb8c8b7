"""What a strategy of region guidance is, and what it is given at each step.

Letters: B pictures, C channels of the latent, h x w its size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from gesso.diffusion.conditions import PromptText
from gesso.diffusion.noise import NoiseModel

__all__ = ["Guide", "Prediction", "RegionGuidance", "Step", "unchanged"]


def unchanged(latents: Tensor) -> Tensor:
    """The same latents: what most schedulers do with them before a prediction."""
    return latents


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the denoising loop.

    Attributes:
        number: from 0.
        total: steps of this run.
        timestep: scalar, as the UNet wants it.
        scale_input: latents of the loop -> latents as the UNet wants them; linear.
    """

    number: int
    total: int
    timestep: Tensor
    scale_input: Callable[[Tensor], Tensor] = unchanged


class Prediction(NamedTuple):
    """What the UNet predicts, each [B, C, h, w]; `negative` is None at guidance scale 1."""

    positive: Tensor
    negative: Tensor | None

    def guided(self, scale: float) -> Tensor:
        """Classifier-free guidance: n + scale (p - n) (arXiv 2207.12598, eq. 6, with scale = 1 + w)."""
        if self.negative is None:
            return self.positive
        return self.negative + scale * (self.positive - self.negative)


class Guide(Protocol):
    """Region guidance for one run of the denoising loop; may keep what the run's steps share."""

    def refine(self, latents: Tensor, step: Step) -> Tensor:
        """Latents [B, C, h, w] of the loop before a step -> latents to go on with."""
        ...

    def predict(self, latents: Tensor, step: Step) -> Prediction:
        """Predictions for latents [B, C, h, w], which are scaled as the UNet wants them."""
        ...


class RegionGuidance(Protocol):
    """A way to make regions count; holds settings only, so one object serves any number of pictures."""

    def guide(self, noise: NoiseModel, text: PromptText, batch: int) -> Guide:
        """A guide for one run.

        Args:
            noise: the UNet.
            text: what the picture's texts say.
            batch: B, pictures painted together.
        """
        ...
