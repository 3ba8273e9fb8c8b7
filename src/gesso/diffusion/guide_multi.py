"""MultiDiffusion: a prediction of its own for every region, blended by the masks (arXiv 2302.08113, section
4).

The paper's bootstrapping, which shows each region on a plain background in the first steps, is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.diffusion.conditions import PromptText, TextRegion
from gesso.diffusion.guide_attention import everywhere
from gesso.diffusion.guides import Prediction, Step
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading, fit_mask

__all__ = ["MultiDiffusion"]

TOGETHER = 2
"""Texts in one UNet call, so that it takes the memory that a call with two guidance branches takes."""


@dataclass(frozen=True, slots=True)
class MultiDiffusion:
    """Each region is predicted by itself over the whole picture; the predictions are averaged where they lie.

    Attributes:
        base: weight of the whole canvas's text where other regions lie, as a share of theirs; 0 is the
            paper's background, which lies where nothing else does.
        keep: keep text keys and values over the steps.

    Raises:
        UsageError: the base is negative.
    """

    base: float = 0.0
    keep: bool = True

    def __post_init__(self) -> None:
        """Refuse a negative weight."""
        if self.base < 0:
            raise UsageError(f"base is {self.base}; it must be >= 0")

    def guide(self, noise: NoiseModel, text: PromptText, batch: int) -> "_MultiGuide":
        """See `RegionGuidance.guide`."""
        texts = [*([text.negative] if text.negative else []), *text.regions]
        readings = [ScoreReading([one], batch, keep=self.keep) for one in everywhere(texts)]
        return _MultiGuide(noise, text, readings, self.base)


@dataclass(frozen=True, slots=True, eq=False)
class _MultiGuide:
    noise: NoiseModel
    text: PromptText
    readings: Sequence[ScoreReading]
    base: float
    weights: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def refine(self, latents: Tensor, step: Step) -> Tensor:
        return latents

    def predict(self, latents: Tensor, step: Step) -> Prediction:
        texts = [*([self.text.negative] if self.text.negative else []), *self.text.regions]
        pieces: list[Tensor] = []
        for start in range(0, len(texts), TOGETHER):
            together = slice(start, start + TOGETHER)
            pieces += self._predict(latents, step, self.readings[together], texts[together])
        regions = torch.stack(pieces[-len(self.text.regions) :])  # [regions, B, C, h, w]
        shares = self._shares((latents.shape[2], latents.shape[3]))[:, None, None]  # [regions, 1, 1, h, w]
        return Prediction((regions * shares).sum(dim=0), pieces[0] if self.text.negative else None)

    def _predict(
        self, latents: Tensor, step: Step, readings: Sequence[ScoreReading], texts: Sequence[TextRegion]
    ) -> tuple[Tensor, ...]:
        pooled = [one.pooled.expand(len(latents), -1) for one in texts if one.pooled is not None]
        rows = latents.repeat(len(texts), 1, 1, 1)  # [texts * B, C, h, w]
        predicted = self.noise(rows, step.timestep, readings, torch.cat(pooled) if pooled else None)
        return predicted.chunk(len(texts))

    def _shares(self, shape: tuple[int, int]) -> Tensor:
        """Share of each region at each place of the latent, [regions, h, w]."""
        if shape not in self.weights:
            masks = torch.stack([fit_mask(region.mask, shape) for region in self.text.regions])
            others = masks[1:].sum(dim=0)
            masks[0] *= torch.where(others > 0, self.base, 1.0)
            self.weights[shape] = masks / masks.sum(dim=0)
        return self.weights[shape]
