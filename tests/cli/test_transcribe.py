import json
from pathlib import Path

import pytest

from cli.run import Gesso
from models.megrez import originals


@pytest.fixture(scope="session")
def megrez(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny Megrez."""
    return str(originals.write(tmp_path_factory.mktemp("megrez")))


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sound file."""
    path: Path = tmp_path_factory.mktemp("sounds") / "a.wav"
    path.write_bytes(originals.wav(1))
    return str(path)


def test_a_bad_recording_stops_no_other_one(gesso: Gesso, megrez: str, sound: str, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF not a sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    files = [str(tmp_path / "bad.wav"), "nowhere.mp3", str(tmp_path / "empty.wav"), sound]
    outcome = gesso("transcribe", *files, "-m", megrez, "--format", "json")
    assert outcome.code == 1
    (line,) = outcome.out.splitlines()
    assert json.loads(line)["file"] == sound
    assert all(name in outcome.err for name in ("bad.wav", "nowhere.mp3", "empty.wav"))
    assert "3 of 4 recordings could not be transcribed" in outcome.err
    assert "Traceback" not in outcome.err


def test_formats_and_folders(gesso: Gesso, megrez: str, sound: str, tmp_path: Path) -> None:
    assert gesso("transcribe", sound, "-m", megrez, "--format", "vtt").out.startswith(
        "WEBVTT\n\n00:00:00.000"
    )
    outcome = gesso("transcribe", sound, "-m", megrez, "--format", "srt", "--out", str(tmp_path / "new"))
    assert (outcome.code, outcome.out) == (0, "")
    assert "00:00:00,000 --> 00:00:01,000" in (tmp_path / "new" / "a.srt").read_text()


def test_wrong_choices_are_told_before_the_model_is_loaded(gesso: Gesso, sound: str, tmp_path: Path) -> None:
    for arguments, said in (
        ((sound, "--format", "doc"), "allowed: text, json, srt, vtt"),
        ((sound, sound, "--format", "srt"), "give --out FOLDER"),
        ((sound, "elsewhere/a.wav", "--out", str(tmp_path)), "several recordings are called a"),
        ((sound, "--batch", "0"), "at least 1"),
    ):
        outcome = gesso("transcribe", *arguments, "-m", "no-such-model")
        assert outcome.code == 2
        assert said in " ".join(outcome.err.split())


def test_a_model_without_ears_ends_it(gesso: Gesso, llava: str, sound: str) -> None:
    outcome = gesso("transcribe", sound, sound, "-m", llava)
    assert outcome.code == 2
    assert outcome.err.count("does not hear") == 1


def test_ask_by_voice(gesso: Gesso, megrez: str, sound: str, picture: str) -> None:
    few = ("-m", megrez, "--json", "--max-new-tokens", "4")
    spoken = json.loads(gesso("ask", picture, "--audio", sound, *few).out)
    assert (spoken["images"], spoken["sounds"], spoken["question"]) == ([picture], [sound], "")
    both = json.loads(gesso("ask", picture, "what?", "--audio", sound, *few).out)
    assert (both["images"], both["question"]) == ([picture], "what?")
    alone = json.loads(gesso("ask", "--audio", "-", *few, stdin=Path(sound).read_bytes()).out)
    assert alone["answer"] == json.loads(gesso("ask", "--audio", sound, *few).out)["answer"]
    assert gesso("ask", "-m", megrez).code == 2
    refused = gesso("ask", "--audio", "nowhere.wav", *few)
    assert refused.code == 1
    assert "nowhere.wav" in refused.err


def test_chat_takes_sounds(gesso: Gesso, megrez: str, sound: str, tmp_path: Path) -> None:
    saved = tmp_path / "talk.json"
    lines = f"/audio {sound}\nwhat?\n/reset\n/voice {sound}\n/save {saved}\n"
    outcome = gesso("chat", megrez, "--max-new-tokens", "4", stdin=lines)
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) >= 2
    assert json.loads(saved.read_text())[0]["content"] == [{"type": "audio_url", "audio_url": {"url": sound}}]
    missing = gesso("chat", megrez, stdin="/audio nowhere.wav\n")
    assert missing.code == 1
    assert "no sound 'nowhere.wav'" in missing.err
