"""How DeepFloyd IF paints, checked on construction (no torch)."""

from dataclasses import dataclass

from gesso.core.errors import UsageError

__all__ = ["CascadeSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeSettings:
    """Settings of all stages; the defaults are diffusers' own.

    Attributes:
        prompt: the picture in words; T5 reads 77 tokens of it.
        negative_prompt: what to keep away from.
        steps: of the first stage, 64 x 64 pixels.
        guidance_scale: of the first stage; 1 is without guidance.
        second_steps: of the second stage, 256 x 256 pixels.
        second_guidance_scale: of the second stage.
        third_steps: of the x4 upscaler, 1024 x 1024 pixels.
        third_guidance_scale: of the x4 upscaler.
        strength: how much of a given picture is painted over; 1 is all of it.
        seed: of the noise.
    """

    prompt: str
    negative_prompt: str = ""
    steps: int = 100
    guidance_scale: float = 7.0
    second_steps: int = 50
    second_guidance_scale: float = 4.0
    third_steps: int = 75
    third_guidance_scale: float = 9.0
    strength: float = 0.7
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of range, and a strength that leaves no step."""
        for name in ("steps", "second_steps", "third_steps"):
            if not 1 <= getattr(self, name) <= 1000:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be in 1..1000")
        for name in ("guidance_scale", "second_guidance_scale", "third_guidance_scale"):
            if not 1 <= getattr(self, name) <= 50:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be in 1..50")
        if not 0 < self.strength <= 1:
            raise UsageError(f"strength is {self.strength}; it must be above 0 and at most 1")
        if min(self.steps, self.second_steps) * self.strength < 1:
            raise UsageError(f"strength {self.strength} leaves none of {self.steps} and {self.second_steps} "
                             "steps; raise one of them")  # fmt: skip
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed is {self.seed}; it must be in 0..2^63 - 1")
