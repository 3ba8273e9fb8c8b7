import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gesso.core.errors import MediaError, MissingExtraError, UsageError
from gesso.media.audio import load_audio
from gesso.media.fetch import FetchPolicy

RATE = 16_000


def tone(seconds: float = 0.5, rate: int = RATE, pitch: float = 440) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = RATE, form: str = "WAV", subtype: str | None = None) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def pitch_of(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_wav_of_every_depth_gives_the_samples(subtype: str) -> None:
    samples = load_audio(encoded(tone(), subtype=subtype))
    assert samples.dtype == np.float32
    assert samples.shape == (RATE // 2,)
    assert np.abs(samples - tone()).max() < (0.01 if subtype == "PCM_U8" else 1e-4)


def test_sixteen_bits_are_divided_by_32768() -> None:
    numbers = np.array([-32768, 0, 16384, 32767], np.int16)
    assert load_audio(encoded(numbers)).tolist() == (numbers / 32768).tolist()
    assert load_audio(numbers).tolist() == (numbers / 32768).tolist()


@pytest.mark.parametrize(
    ("form", "subtype", "rate"),
    [("FLAC", None, 44_100), ("OGG", "VORBIS", 22_050), ("OGG", "OPUS", 48_000), ("MP3", None, 24_000)],
)
def test_compressed_sounds_keep_pitch_and_length(form: str, subtype: str | None, rate: int) -> None:
    samples = load_audio(encoded(tone(rate=rate), rate, form, subtype))
    assert len(samples) == pytest.approx(RATE / 2, abs=1300)
    assert pitch_of(samples) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 48_000, 96_000])
def test_any_rate_is_resampled(rate: int) -> None:
    samples = load_audio(encoded(tone(rate=rate), rate))
    assert len(samples) == pytest.approx(RATE / 2, abs=2)
    assert np.abs(samples[800:-800]).max() == pytest.approx(0.5, abs=0.02)


def test_channels_become_their_mean() -> None:
    both = np.stack([tone(), -tone()], axis=1)
    assert np.abs(load_audio(encoded(both))).max() < 1e-4
    assert np.abs(load_audio(both)).max() == 0


def test_silence_is_a_sound() -> None:
    assert not load_audio(encoded(np.zeros(100))).any()


def test_paths_and_data_urls_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(tone()))
    assert np.array_equal(load_audio(path), load_audio(str(path)))
    with pytest.raises(MediaError, match="policy forbids"):
        load_audio(path, FetchPolicy(allow_paths=False))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"RIFF but nothing else", "cannot be read"),
        (encoded(tone())[:44], "holds no sound"),
        (encoded(np.zeros(0)), "holds no sound"),
        (encoded(np.full(9, np.nan), subtype="FLOAT"), "no finite numbers"),
        (encoded(tone(), form="AIFF"), "format AIFF; allowed: wav, mp3"),
        (encoded(tone(0.01, 900), 900), "1 channels at 900 Hz"),
    ],
)
def test_empty_and_damaged_sounds_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        load_audio(content)


def test_headerless_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(100))
    with pytest.raises(MediaError, match="cannot be read"):
        load_audio(path)


def test_long_sounds_are_refused_by_their_header() -> None:
    with pytest.raises(MediaError, match=r"lasts 3\.0 s; allowed: 2 s"):
        load_audio(encoded(tone(3)), max_seconds=2)
    with pytest.raises(MediaError, match="array of samples lasts"):
        load_audio(tone(3), max_seconds=2)


def _open_ended(seconds: float) -> bytes:
    """A flac stream whose header leaves its length open, as live recordings have it."""
    content = bytearray(encoded(tone(seconds), form="FLAC"))
    # the 36 bits of STREAMINFO behind marker, block header, block and frame sizes, rate, channels and depth
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def test_streams_of_unknown_length_are_refused() -> None:
    with pytest.raises(MediaError, match="does not say how long it is"):
        load_audio(_open_ended(1))


def test_other_arrays_and_types_are_refused() -> None:
    for samples in (np.zeros((1, 2, 3)), np.zeros(3, np.uint8), np.array(["a"])):
        with pytest.raises(UsageError, match="allowed:"):
            load_audio(samples)
    with pytest.raises(UsageError, match="sound source of type"):
        load_audio([0.0])


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_a_missing_package_names_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(tone(rate=8_000), 8_000)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*gesso\[audio\]"):
        load_audio(content)
