"""Recording a few seconds from the microphone, with a program that is on the machine."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Final

from gesso.core.errors import MediaError, UnsupportedError, UsageError

__all__ = ["LONGEST", "record"]

LONGEST: Final = 30
"""Seconds of the longest recording."""

RATE: Final = "16000"
ALSA: Final = ("-q", "-f", "S16_LE", "-r", RATE, "-c", "1", "-t", "wav")
SOX: Final = ("-q", "-r", RATE, "-c", "1", "-b", "16", "-t", "wav", "-", "trim", "0")

RECORDERS: Final[Mapping[str, Callable[[int], list[str]]]] = {
    "arecord": lambda seconds: [*ALSA, "-d", str(seconds), "-"],
    "rec": lambda seconds: [*SOX, str(seconds)],
    "sox": lambda seconds: ["-d", *SOX, str(seconds)],
}  # fmt: skip
"""Program -> its arguments for so many seconds as a wav file on standard output; ALSA's, and SoX's two."""


def record(seconds: int) -> bytes:
    """The bytes of a wav file.

    Raises:
        UsageError: the length is out of range.
        UnsupportedError: there is no recorder.
        MediaError: it recorded nothing.
    """
    if not 1 <= seconds <= LONGEST:
        raise UsageError(f"a recording of {seconds} seconds; allowed: 1 to {LONGEST}")
    found = next((name for name in RECORDERS if shutil.which(name)), None)
    if found is None:
        raise UnsupportedError(f"none of {', '.join(RECORDERS)} is on this machine, which therefore cannot "
                               "record; install alsa-utils or sox, or give a file")  # fmt: skip
    try:
        # a little longer: a device may take its time to open
        run = subprocess.run(
            [found, *RECORDERS[found](seconds)], capture_output=True, check=False, timeout=seconds + 15
        )
    except subprocess.TimeoutExpired as error:
        raise MediaError(f"{found} did not stop recording; check the microphone, or give a file") from error
    if run.returncode or len(run.stdout) <= 44:  # a wav header alone
        why = run.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise MediaError(f"{found} recorded nothing ({' '.join(why) or 'without a reason'}); check the "
                         "microphone, or give a file")  # fmt: skip
    return _with_length(run.stdout)


def _with_length(wav: bytes) -> bytes:
    """A wav file that says how long it is; to a pipe, programs write a length of no meaning."""
    place = wav.find(b"data", 12)
    if place < 0:
        return wav
    size = len(wav) - place - 8
    return b"".join((
        wav[:4], (len(wav) - 8).to_bytes(4, "little"), wav[8 : place + 4], size.to_bytes(4, "little"),
        wav[place + 8 :],
    ))  # fmt: skip
