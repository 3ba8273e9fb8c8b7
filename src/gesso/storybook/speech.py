"""Speech for the storybook: voices, manners of speaking, and espeak-ng, which says things in them.

Test voices share no timbre with training voices, so a model that understands them has learned to listen,
not to recognise. espeak-ng is a program of its own, which only training and the speech tasks need.
"""

import shutil
import subprocess
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gesso.core.errors import MediaError, UnknownNameError, UsageError
from gesso.media.audio import resample
from gesso.storybook.words import words_of

__all__ = ["RATE", "TEST_TIMBRES", "TRAIN_TIMBRES", "Manner", "sample_manner", "say", "speech_missing"]

RATE: Final = 16_000
"""Samples a second of what `say` gives."""

PROGRAM: Final = "espeak-ng"

ACCENTS: Final = {
    "en": ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029", "en-gb-x-gbclan"),
    "zh": ("cmn",),
}
"""espeak-ng's voices of each language; timbres are laid over them."""

TRAIN_TIMBRES: Final = (
    "m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "f4", "adam", "Alex", "Alicia", "Andy", "Annie",
    "antonio", "belinda", "benjamin", "boris", "caleb", "david", "Denis", "ed", "edward", "Gene", "Henrique",
    "Hugo", "iven", "john", "kaukovalta", "Lee", "linda", "marcelo", "Marco", "max", "michel", "Mike",
    "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "steph", "travis", "victor", "zac",
    "anika", "grandma", "klatt2", "klatt4",
)  # fmt: skip
TEST_TIMBRES: Final = (
    "m7",
    "m8",
    "f5",
    "Andrea",
    "Michael",
    "miguel",
    "steph3",
    "norbert",
    "shelby",
    "aunty",
)
"""Never heard in training."""

SPEEDS: Final = {"en": (120, 210), "zh": (190, 310)}
"""Words a minute, as espeak-ng counts them; its Chinese is slow."""

PITCHES: Final = (30, 75)  # of espeak-ng's 0 to 99
NOISES: Final = (10.0, 40.0)  # decibels that speech is louder than noise
CLEAN: Final = 0.3
"""Share of manners without any noise."""

HEADER: Final = 44  # bytes of the wav header that espeak-ng writes to a pipe, with a length of no meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How something is said.

    Attributes:
        language: "en" or "zh".
        accent: espeak-ng's voice.
        timbre: its variant.
        speed: words a minute.
        pitch: 0 to 99.
        noise: decibels that speech is louder than noise; None is a silent room.
        colour: of the noise, the power of its frequencies falls with: 0 white, 1 pink, 2 brown.
        seed: of the noise.
    """

    language: str
    accent: str
    timbre: str
    speed: int = 160
    pitch: int = 50
    noise: float | None = None
    colour: int = 0
    seed: int = 0


def sample_manner(rng: Random, language: str, split: str = "train") -> Manner:
    """A manner of speaking; any split but "train" has the test timbres."""
    words_of(language)
    timbres = TRAIN_TIMBRES if split == "train" else TEST_TIMBRES
    return Manner(
        language=language,
        accent=rng.choice(ACCENTS[language]),
        timbre=rng.choice(timbres),
        speed=rng.randint(*SPEEDS[language]),
        pitch=rng.randint(*PITCHES),
        noise=None if rng.random() < CLEAN else rng.uniform(*NOISES),
        colour=rng.randrange(3),
        seed=rng.getrandbits(32),
    )


def speech_missing() -> str | None:
    """Why nothing can be said on this machine, with what to do about it; None if it can."""
    if shutil.which(PROGRAM) is None:
        return f"the program {PROGRAM} is not on this machine; install it (Debian: apt install {PROGRAM})"
    return None


def say(text: str, manner: Manner) -> NDArray[np.float32]:
    """Say a text, [samples] at `RATE`, between -1 and 1.

    Raises:
        UsageError: there is nothing to say.
        MediaError: espeak-ng is missing, or cannot say it.
        UnknownNameError: an unknown accent.
        MissingExtraError: soxr is not installed.
    """
    if not text.strip():
        raise UsageError("an empty text to say; give some words")
    if manner.accent not in ACCENTS.get(manner.language, ()):
        raise UnknownNameError("accent", manner.accent, [each for all_ in ACCENTS.values() for each in all_])
    missing = speech_missing()
    if missing:
        raise MediaError(missing)
    voice = f"{manner.accent}+{manner.timbre}"
    command = [PROGRAM, "-v", voice, "-s", str(manner.speed), "-p", str(manner.pitch), "--stdin", "--stdout"]
    # as input: a text that begins with a dash would be an option
    run = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if run.returncode or len(run.stdout) <= HEADER:
        raise MediaError(
            f"{PROGRAM} could not say {text[:40]!r}: {run.stderr.decode(errors='replace')[:200]}"
        )
    rate = int.from_bytes(run.stdout[24:28], "little")
    body = run.stdout[HEADER : len(run.stdout) - len(run.stdout) % 2]
    samples = np.frombuffer(body, "<i2").astype(np.float32) / 32768
    return _noisy(resample(np.asarray(samples, np.float32), rate, RATE), manner)


def _noisy(speech: NDArray[np.float32], manner: Manner) -> NDArray[np.float32]:
    """The speech with its noise, no louder than 1; [n] -> [n]."""
    if manner.noise is not None:
        rng = np.random.default_rng(manner.seed)
        spectrum = np.fft.rfft(rng.standard_normal(len(speech)))
        spectrum[0] = 0  # no constant: a microphone records none
        # amplitudes fall with half the power's exponent
        spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (manner.colour / 2)
        noise = np.fft.irfft(spectrum, len(speech))
        loudness = np.sqrt(np.mean(speech**2)) / 10 ** (manner.noise / 20)
        speech = (speech + noise * loudness / max(1e-9, float(noise.std()))).astype(np.float32)
    peak = max(1.0, float(np.abs(speech).max()))
    return np.asarray(speech / peak, np.float32)
