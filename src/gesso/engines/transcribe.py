"""Speech to text with times, by a chat model that hears.

A model hears some seconds at a time (Megrez-3B-Omni: 30). What is longer is cut where it is quietest towards
the end of what fits, so that few words are cut in two, and each piece has its times.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Audio, user
from gesso.core.sampling import Sampling
from gesso.engines.chat import Chat
from gesso.engines.transcript import Segment

__all__ = ["INSTRUCTION", "LONGEST_FILE", "RATE", "Samples", "cut_at_pauses", "transcribe"]

INSTRUCTION: Final = "Convert the speech to text."
"""What a model is asked for, as Megrez-3B-Omni's README advises; the answer is in the language spoken."""

RATE: Final = 16_000
"""Samples a second."""

LONGEST_FILE: Final = 4 * 3600.0
"""Seconds of the longest recording that is transcribed; it is held in memory, 230 MB an hour."""

TOKENS_PER_SECOND: Final = 16
"""Room for an answer: fast speech has five words a second, of a few tokens each."""

SEARCHED: Final = 0.35
"""Share at the end of what fits in which a pause is looked for."""

PAUSE: Final = RATE // 5
"""Samples over which loudness is measured: a fifth of a second, shorter than a word."""

SILENCE: Final = 1e-3
"""Loudness (root mean square) below which a piece holds no speech: 57 decibels below the loudest sine."""

Samples = NDArray[np.float32]


def transcribe(
    chat: Chat,
    samples: Samples,
    *,
    instruction: str = INSTRUCTION,
    sampling: Sampling | None = None,
    batch: int = 8,
) -> Iterator[Segment]:
    """Write down what is said, piece by piece; pieces without a sound are left out.

    Args:
        chat: a model that hears.
        samples: [n] at `RATE`.
        instruction: what the model is asked.
        sampling: how it answers; None takes the likeliest token, with room for what can be said.
        batch: how many pieces it hears at once.

    Raises:
        UnsupportedError: the model has no ears.
        UsageError: there is nothing to transcribe, or no batch.
    """
    seconds = getattr(chat.processor, "clip_seconds", None)
    if not seconds:
        raise UnsupportedError("this model does not hear; load one that does, such as megrez-3b-omni")
    if not len(samples) or batch < 1:
        raise UsageError(f"{len(samples)} samples in batches of {batch}; both must be at least 1")
    chosen = sampling or Sampling(temperature=0.0, max_new_tokens=TOKENS_PER_SECOND * seconds)
    pieces = cut_at_pauses(samples, seconds * RATE)
    heard = ((start, end) for start, end in pieces if _loudness(samples[start:end]) > SILENCE)
    while some := list(islice(heard, batch)):
        asked = [[user(Audio(samples[start:end]), instruction)] for start, end in some]
        answers = chat.batch(asked, chosen)
        for (start, end), answer in zip(some, answers, strict=True):
            yield Segment(start / RATE, end / RATE, answer.text.strip())


def cut_at_pauses(samples: Samples, longest: int) -> Iterator[tuple[int, int]]:
    """(start, end) of pieces of at most `longest` samples, cut in the middle of the quietest moments."""
    start, total = 0, len(samples)
    while total - start > longest:
        first = start + int(longest * (1 - SEARCHED))
        end = first + _quietest(samples[first : start + longest])
        yield start, end
        start = end
    # a rest too short to hold a word would only be guessed at
    if total - start >= PAUSE // 2 or start == 0:
        yield start, total


def _quietest(samples: Samples) -> int:
    """The middle of the quietest stretch of a pause's length; the last of several."""
    if len(samples) <= PAUSE:
        return len(samples)
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    windows = energy[PAUSE:] - energy[:-PAUSE]
    # from the end: of equal pauses the later one makes the longer piece
    return len(windows) - 1 - int(np.argmin(windows[::-1])) + PAUSE // 2


def _loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
