"""What a user may set for a picture; checked on construction."""

from dataclasses import dataclass

from torch import Tensor

from gesso.core.errors import UnknownNameError, UsageError
from gesso.diffusion.guidance import strategy
from gesso.diffusion.guides import RegionGuidance
from gesso.diffusion.latents import Inpaint
from gesso.diffusion.schedule import DEFAULT_SAMPLER, samplers

__all__ = ["NEGATIVE_PROMPT", "Hires", "PaintSettings", "require_fit"]

NEGATIVE_PROMPT = "lowres, bad anatomy, bad hands, cropped, worst quality"
"""Omost's default (lllyasviel/Omost at 731e749, `gradio_app.py`)."""

GRAIN = 64
"""Pixels that the sides of an enlarged picture are rounded to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hires:
    """A second pass over the enlarged picture.

    Attributes:
        scale: how much longer each side gets, in (1, 4]; sides are rounded to 64 pixels.
        steps: steps of the second pass.
        strength: how much of it is painted anew, in (0, 1].
    """

    scale: float = 1.5
    steps: int = 20
    strength: float = 0.4

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        _require("hires scale", self.scale, 1 < self.scale <= 4, "in (1, 4]")
        _require("hires steps", self.steps, self.steps >= 1, ">= 1")
        _require("hires strength", self.strength, 0 < self.strength <= 1, "in (0, 1]")

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The larger (width, height)."""
        width, height = (max(GRAIN, round(side * self.scale / GRAIN) * GRAIN) for side in size)
        return width, height


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintSettings:
    """How pictures are painted; defaults are Omost's.

    Attributes:
        size: (width, height) in pixels.
        steps: steps of the sampler, each one call of the UNet or more, as the guidance has it.
        guidance_scale: >= 1; how much the prompt is preferred to the negative prompt. 1 leaves that one out.
        seed: picture i of a batch is what seed + i gives alone.
        strength: in (0, 1]; below 1 the picture begins from an initial latent under less noise.
        negative_prompt: what to keep away from.
        batch: pictures painted together.
        guidance: a name of `gesso.diffusion.guidance.STRATEGIES`, or a strategy.
        sampler: a name of `gesso.diffusion.schedule.samplers`.
        hires: a second pass at a larger size, or None.

    Raises:
        UsageError: a value lies outside its range.
        UnknownNameError: there is no such guidance or sampler.
    """

    size: tuple[int, int] = (896, 1152)
    steps: int = 25
    guidance_scale: float = 5.0
    seed: int = 12345
    strength: float = 1.0
    negative_prompt: str = NEGATIVE_PROMPT
    batch: int = 1
    guidance: str | RegionGuidance = "attention-scores"
    sampler: str = DEFAULT_SAMPLER
    hires: Hires | None = None

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        _require("size", self.size, min(self.size) >= 1, "(width, height) in pixels, each >= 1")
        _require("steps", self.steps, self.steps >= 1, ">= 1")
        _require("guidance_scale", self.guidance_scale, self.guidance_scale >= 1, ">= 1")
        _require("seed", self.seed, 0 <= self.seed < 2**63, "in 0..2^63 - 1")
        _require("strength", self.strength, 0 < self.strength <= 1, "in (0, 1]")
        _require("batch", self.batch, self.batch >= 1, ">= 1")
        strategy(self.guidance)
        if self.sampler not in samplers():
            raise UnknownNameError("sampler", self.sampler, samplers())


def require_fit(
    settings: PaintSettings, factor: int, initial_latent: Tensor | None, inpaint: Inpaint | None
) -> None:
    """Refuse settings and beginnings that do not belong together.

    Args:
        settings: of the picture.
        factor: pixels along one side of a cell of the latent.
        initial_latent: what to begin from.
        inpaint: what to paint a part of.

    Raises:
        UsageError: says what does not fit.
    """
    width, height = settings.size
    if width % factor or height % factor:
        raise UsageError(f"size is {width} x {height}; both sides must be multiples of {factor} pixels")
    if settings.strength < 1 and initial_latent is None and inpaint is None:
        raise UsageError(
            f"strength is {settings.strength} without anything to begin from; "
            "give an initial latent or leave the strength at 1"
        )
    if inpaint is not None and (inpaint.picture.size != settings.size or settings.hires is not None):
        raise UsageError(
            f"a picture of {inpaint.picture.size[0]} x {inpaint.picture.size[1]} to inpaint came; "
            "set size to its own and leave the high-resolution pass out, so that the rest of it can stay"
        )
    shape = (height // factor, width // factor)
    if initial_latent is not None and tuple(initial_latent.shape[2:]) != shape:
        raise UsageError(
            f"an initial latent of shape {list(initial_latent.shape)} came; "
            f"for this size its last two sides must be {shape[0]} and {shape[1]}"
        )


def _require(name: str, value: object, holds: bool, allowed: str) -> None:
    if not holds:
        raise UsageError(f"{name} is {value}; it must be {allowed}")
