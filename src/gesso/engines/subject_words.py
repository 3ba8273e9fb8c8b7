"""What is said of subjects: the texts that name them, and the strengths at which they count."""

from typing import Final, Literal

from gesso.canvas.canvas import Canvas
from gesso.core.errors import UsageError

__all__ = ["MODES", "Mode", "region_words", "require_named", "strength_warning"]

Mode = Literal["context", "texture"]

MODES: Final[dict[Mode, tuple[float, float]]] = {"context": (1.0, 1.2), "texture": (0.4, 0.6)}
"""What changes about a subject: its usual strength, and the highest that works (bytedance/MoMA, README)."""


def strength_warning(mode: Mode, strength: float) -> str | None:
    """What to say of a strength that is too high for what is to change; None if it is not."""
    usual, highest = MODES[mode]
    if strength <= highest:
        return None
    return (
        f"strength {strength:g} is above {highest:g}: the reference's pixels may show through; for a new "
        f"{mode} {usual:g} is usual"
    )


def require_named(noun: str, prompt: str) -> None:
    """Refuse a prompt that does not contain every word of a noun.

    Raises:
        UsageError: says how to name it.
    """
    words = prompt.lower()
    if not all(word.lower() in words for word in noun.split()):
        raise UsageError(
            f"the prompt {prompt!r} does not contain the subject {noun!r}; name it there, as in "
            f'"a {noun} on the beach"'
        )


def region_words(canvas: Canvas, number: int, noun: str) -> str:
    """What a canvas says of a region, with its background, as one prompt.

    Args:
        canvas: what is painted.
        number: of the region, counted from 1 in the order of the program.
        noun: of the subject there.

    Raises:
        UsageError: there is no such region, or it does not name the subject.
    """
    if not 1 <= number <= len(canvas.regions):
        raise UsageError(
            f"subject {noun!r} is for region {number}, and the canvas has {len(canvas.regions)}; count "
            "regions from 1, in the order of the program"
        )
    told = canvas.regions[number - 1].description
    require_named(noun, told)
    return f"{told.rstrip('.')}, {canvas.background.description}"
