"""Sounds from files, bytes, URLs and arrays, as one channel of float32 samples at one rate."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gesso.core.errors import MediaError, MissingExtraError, UsageError
from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy
from gesso.media.sources import opened

__all__ = ["MAX_SECONDS", "load_audio", "resample"]

MAX_SECONDS: Final = 600.0
"""Longest sound that is decoded; a header that announces more is refused before decoding."""

# libsndfile reads more, but these are what people send; the others are seldom tested
_FORMATS: Final = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"}
_NAMES: Final = "wav, mp3, flac, ogg (Vorbis or Opus)"
_RATES: Final = range(1_000, 768_001)
_MAX_CHANNELS: Final = 32
_UNKNOWN: Final = 2**62
"""No sound has so many frames; libsndfile reports more where a header leaves their number open."""

_BLOCK: Final = 65_536
"""Frames that are decoded at a time: a minute of studio sound in 8 channels would else take 0.4 GB."""


def load_audio(
    source: Any,
    policy: FetchPolicy = DEFAULT_POLICY,
    *,
    rate: int = 16_000,
    max_seconds: float = MAX_SECONDS,
) -> NDArray[np.float32]:
    """Read a sound: the mean of its channels, resampled, between -1 and 1 as far as the file keeps to that.

    Memory is bounded: the header is read first, then the content block by block.

    Args:
        source: a path, an http(s) or `data:` URL, the bytes of a file (wav, mp3, flac, ogg), or samples: an
            array [N] or [N, channels] of floats at `rate`, or of integers, of which the largest means 1.
        policy: which of these may be read.
        rate: samples a second of the result.
        max_seconds: longest sound that is accepted.

    Returns:
        [N]

    Raises:
        MediaError: the sound is missing, empty, damaged, too long, of an unknown kind, or forbidden.
        MissingExtraError: soundfile or soxr is not installed.
        UsageError: `source` is none of these things.
    """
    if isinstance(source, np.ndarray):
        return _checked(_mono(source), "the array of samples", rate, max_seconds)
    with (
        opened(source, policy, kind="audio", noun="sound", others="a NumPy array") as (file, name),
        _damage(name),
        _soundfile().SoundFile(file) as sound,
    ):
        # a file is judged by its header before anything is decoded
        _check_header(sound, name, max_seconds)
        samples = _resampled(_blocks(sound, max_seconds), sound.samplerate, rate)
    return _checked(samples, name, rate, max_seconds)


def resample(samples: NDArray[np.float32], before: int, after: int) -> NDArray[np.float32]:
    """Samples [N] of one rate at another one, in samples a second.

    Raises:
        MissingExtraError: soxr is not installed.
    """
    return samples if before == after else np.asarray(_soxr().resample(samples, before, after), np.float32)


def _mono(samples: NDArray[Any]) -> NDArray[np.float32]:
    """[N] or [N, channels] of any number format -> [N]."""
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        raise UsageError(f"samples of shape {samples.shape} and type {samples.dtype}; "
                         "allowed: [N] or [N, channels] of floats or signed integers")  # fmt: skip
    if samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    # [N, channels] -> [N]
    return np.asarray(samples if samples.ndim == 1 else samples.mean(axis=1), dtype=np.float32)


def _check_header(sound: Any, name: str, max_seconds: float) -> None:
    if sound.format not in _FORMATS:
        raise MediaError(f"{name} is of format {sound.format}; allowed: {_NAMES}")
    if sound.samplerate not in _RATES or not 1 <= sound.channels <= _MAX_CHANNELS:
        raise MediaError(f"{name} has {sound.channels} channels at {sound.samplerate} Hz; allowed: 1 to "
                         f"{_MAX_CHANNELS} channels at {_RATES[0]} to {_RATES[-1]} Hz")  # fmt: skip
    # libsndfile cannot find its way in these
    if sound.frames >= _UNKNOWN:
        raise MediaError(f"{name} does not say how long it is, as live recordings do not; save it again")
    _check_length(sound.frames / sound.samplerate, name, max_seconds)


def _check_length(seconds: float, name: str, max_seconds: float) -> None:
    if seconds > max_seconds:
        raise MediaError(f"{name} lasts {seconds:.1f} s; allowed: {max_seconds:g} s, cut it or send a part")


def _blocks(sound: Any, max_seconds: float) -> Iterator[NDArray[np.float32]]:
    """The file's mono samples, block by block; a second too much at most, if the header promised less."""
    left = int((max_seconds + 1) * sound.samplerate)
    while left > 0:
        block = sound.read(min(_BLOCK, left), dtype="float32", always_2d=True)  # [n, channels]
        if not len(block):
            return
        left -= len(block)
        # [n, channels] -> [n]
        yield block.mean(axis=1)


def _resampled(blocks: Iterator[NDArray[np.float32]], before: int, after: int) -> NDArray[np.float32]:
    if before == after:
        return np.concatenate([np.zeros(0, np.float32), *blocks])
    stream = _soxr().ResampleStream(before, after, 1, dtype="float32")
    pieces = [stream.resample_chunk(block) for block in blocks]
    # the filter still holds the end of the sound
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    return np.concatenate([*pieces, rest])


def _checked(samples: NDArray[np.float32], name: str, rate: int, max_seconds: float) -> NDArray[np.float32]:
    if not len(samples):
        raise MediaError(f"{name} holds no sound; record it again")
    _check_length(len(samples) / rate, name, max_seconds)
    if not np.isfinite(samples).all():
        raise MediaError(f"{name} holds samples that are no finite numbers; save it as 16-bit wav or flac")
    return samples


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Turns libsndfile's ways to fail into one."""
    try:
        yield
    # TypeError and ValueError: headerless .raw files, and values libsndfile cannot take
    except (_soundfile().SoundFileError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise MediaError(f"{name} cannot be read: {error}; allowed: {_NAMES}, save it as one") from error


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("soundfile", "audio") from error
    return soundfile


def _soxr() -> Any:
    try:
        import soxr
    except ImportError as error:
        raise MissingExtraError("soxr", "audio") from error
    return soxr
