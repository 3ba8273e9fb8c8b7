import os
from io import BytesIO
from pathlib import Path

import pytest
import soundfile

from gesso.cli.microphone import record
from gesso.core.errors import MediaError, UnsupportedError, UsageError
from models.megrez import originals


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH but for what shells need."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    return tmp_path


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_recorder_on_the_machine_is_used(programs: Path) -> None:
    wav = bytearray(originals.wav(0.5))
    wav[40:44] = (0x7FFFF000).to_bytes(4, "little")  # as programs write to a pipe
    (programs / "sound.wav").write_bytes(wav)
    _program(programs, "arecord", f'echo "$@" > {programs}/arguments; cat {programs}/sound.wav')
    samples, rate = soundfile.read(BytesIO(record(3)))
    assert (len(samples), rate) == (8000, 16000)
    assert "-d 3" in (programs / "arguments").read_text()


def test_failures_say_what_to_do(programs: Path) -> None:
    _program(programs, "arecord", "echo 'no soundcard found' >&2; exit 1")
    with pytest.raises(
        MediaError, match=r"arecord recorded nothing \(no soundcard found\); check the microphone"
    ):
        record(1)
    with pytest.raises(UsageError, match="allowed: 1 to 30"):
        record(0)


def test_without_a_recorder_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match="install alsa-utils or sox"):
        record(1)
