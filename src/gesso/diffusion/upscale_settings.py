"""How a picture is made larger, checked on construction (no torch)."""

from dataclasses import dataclass
from typing import Final

from gesso.core.errors import UsageError

__all__ = ["UpscaleSettings"]

SMALLEST_TILE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleSettings:
    """How a picture is made larger; checked on construction.

    Attributes:
        prompt: what it shows; the text encoder reads 77 tokens of it.
        negative_prompt: what to keep away from.
        steps: of the sampler.
        guidance_scale: how much the prompt counts; 1 is without guidance.
        noise_level: noise that is put on the picture, 0 to 350; more lets the model invent more.
        seed: of the noise.
        tile: longest side of the pieces worked on, in pixels of the picture that comes; memory follows from
            it. Each tile has noise of its own.
    """

    prompt: str = ""
    negative_prompt: str = ""
    steps: int = 75
    guidance_scale: float = 9.0
    noise_level: int = 20
    seed: int = 0
    tile: int = 512

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name, holds, allowed in (
            ("steps", 1 <= self.steps <= 1000, "in 1..1000"),
            ("guidance_scale", 1 <= self.guidance_scale <= 50, "in 1..50"),
            ("noise_level", 0 <= self.noise_level <= 350, "in 0..350"),
            ("seed", 0 <= self.seed < 2**63, "in 0..2^63 - 1"),
            ("tile", SMALLEST_TILE <= self.tile <= 4096, f"in {SMALLEST_TILE}..4096 (pixels)"),
        ):
            if not holds:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {allowed}")
