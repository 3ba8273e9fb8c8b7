"""Strategies that work inside the attention of one UNet call: by scores, by blending, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.diffusion.attention import TextAttention
from gesso.diffusion.conditions import PromptText, TextRegion
from gesso.diffusion.guides import Prediction, Step
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import BlendedReading, ScoreReading

__all__ = ["AttentionDecomposition", "AttentionGuide", "AttentionScores", "JoinedText", "everywhere"]


class AttentionGuide:
    """One UNet call for each step, with both branches of the guidance in one batch.

    Args:
        noise: the UNet.
        positive: what the pictures read.
        text: pooled states, and what the negative branch reads.
        keep: keep the negative text's keys and values over the steps.
    """

    def __init__(
        self, noise: NoiseModel, positive: TextAttention, text: PromptText, *, keep: bool = True
    ) -> None:
        batch = positive.rows
        branches: list[tuple[TextAttention, TextRegion]] = [(positive, text.regions[0])]
        if text.negative is not None:
            branches.insert(0, (ScoreReading([text.negative], batch, keep=keep), text.negative))
        self._noise = noise
        self._readings = [reading for reading, _ in branches]
        pooled = [region.pooled for _, region in branches if region.pooled is not None]
        self._pooled = (
            torch.cat([p.expand(batch, -1) for p in pooled]) if pooled else None
        )  # [branches * B, W]

    def refine(self, latents: Tensor, step: Step) -> Tensor:
        """The latents as they are."""
        return latents

    def predict(self, latents: Tensor, step: Step) -> Prediction:
        """See `Guide.predict`."""
        branches = len(self._readings)
        both = latents.repeat(branches, 1, 1, 1)  # [branches * B, C, h, w]
        predicted = self._noise(both, step.timestep, self._readings, self._pooled).chunk(branches)
        return Prediction(predicted[-1], predicted[0] if branches == 2 else None)


@dataclass(frozen=True, slots=True)
class AttentionScores:
    """Omost's baseline: masked scores, louder for small regions (see `ScoreReading`).

    Attributes:
        keep: keep text keys and values over the steps: about 0.25 GB for SDXL in float16 with five regions.
    """

    keep: bool = True

    def guide(self, noise: NoiseModel, text: PromptText, batch: int) -> AttentionGuide:
        """See `RegionGuidance.guide`."""
        return AttentionGuide(noise, ScoreReading(text.regions, batch, keep=self.keep), text, keep=self.keep)


@dataclass(frozen=True, slots=True)
class AttentionDecomposition:
    """Each region cross-attends by itself and the results are blended by the masks (see `BlendedReading`).

    Attributes:
        base: weight of the whole canvas's text where other regions lie, as a share of theirs.
        keep: as in `AttentionScores`.

    Raises:
        UsageError: the base is not above 0, so places without other regions would read nothing.
    """

    base: float = 0.3
    keep: bool = True

    def __post_init__(self) -> None:
        """Refuse a base that would divide by nothing."""
        if self.base <= 0:
            raise UsageError(f"base is {self.base}; it must be > 0")

    def guide(self, noise: NoiseModel, text: PromptText, batch: int) -> AttentionGuide:
        """See `RegionGuidance.guide`."""
        reading = BlendedReading(text.regions, batch, base=self.base, keep=self.keep)
        return AttentionGuide(noise, reading, text, keep=self.keep)


@dataclass(frozen=True, slots=True)
class JoinedText:
    """No regions: all descriptions joined to one long text that every position reads.

    Attributes:
        keep: as in `AttentionScores`.
    """

    keep: bool = True

    def guide(self, noise: NoiseModel, text: PromptText, batch: int) -> AttentionGuide:
        """See `RegionGuidance.guide`."""
        reading = ScoreReading(everywhere(text.regions), batch, keep=self.keep)
        return AttentionGuide(noise, reading, text, keep=self.keep)


def everywhere(regions: Sequence[TextRegion]) -> list[TextRegion]:
    """The same texts, each over the whole canvas."""
    return [replace(region, mask=torch.ones_like(region.mask)) for region in regions]
