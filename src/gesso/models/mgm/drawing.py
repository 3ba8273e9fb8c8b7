"""How Mini-Gemini is asked for pictures, how it answers, and how read text enters a prompt.

The model writes a prompt for SDXL between two markers. Markers are ordinary text, not tokens of their own
(dvlab-research/MGM at 769820c, `mgm/serve/cli.py`).
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["NEGATIVE_PROMPT", "asked_to_draw", "drawing_prompt", "with_read_text"]

REQUEST: Final = " <GEN>"
"""Ends the text of a user who wants a picture."""

OPEN: Final = "<h>"
CLOSE: Final = "</h>"

LEAST_CONFIDENCE: Final = 0.1
"""Lines that were read with this confidence or less are left out."""

NEGATIVE_PROMPT: Final = (
    "out of frame, lowres, text, error, cropped, worst quality, low quality, jpeg artifacts, ugly, "
    "duplicate, morbid, mutilated, out of frame, extra fingers, mutated hands, poorly drawn hands, "
    "poorly drawn face, mutation, deformed, blurry, dehydrated, bad anatomy, bad proportions, extra limbs, "
    "cloned face, disfigured, gross proportions, malformed limbs, missing arms, missing legs, extra arms, "
    "extra legs, fused fingers, too many fingers, long neck, username, watermark, signature"
)
"""What Mini-Gemini's programs tell SDXL to keep out of every picture."""


def asked_to_draw(text: str) -> str:
    """A user's text as a request for a picture; read text, if any, comes before (see `with_read_text`)."""
    return f"{text}{REQUEST}"


def drawing_prompt(answer: str) -> str | None:
    """The prompt for SDXL in an answer, the last one if there are several; None if there is none."""
    if OPEN not in answer or CLOSE not in answer:
        return None
    prompt = answer.split(CLOSE)[-2].split(OPEN)[-1]
    # where the markers are in disorder; the original paints an empty prompt then
    return prompt if prompt.strip() else None


def with_read_text(text: str, lines: Iterable[tuple[str, float]]) -> str:
    """A user's text with the lines that were read in the picture.

    Args:
        text: what the user says.
        lines: each line with the confidence it was read with, 0 to 1.
    """
    kept = [line for line, confidence in lines if confidence > LEAST_CONFIDENCE]
    return f"{text}\nReference OCR Token: {', '.join(kept)}\n" if kept else text
