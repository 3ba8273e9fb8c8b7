from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.train import speech_store
from gesso.train.speech_store import SpeechStore

COLUMNS = 3000


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is said, by a program that hums."""
    texts: list[str] = []

    def hum(text: str, manner: object) -> np.ndarray:
        texts.append(text)
        return np.full(160 * len(text), 0.5, np.float32)

    monkeypatch.setattr(speech_store, "say", hum)
    monkeypatch.setattr(speech_store, "speech_missing", lambda: None)
    monkeypatch.setattr(speech_store, "SHARD", 2)
    return texts


def _features(samples: np.ndarray) -> Tensor:
    return torch.linspace(-1, 1, 4)[:, None].expand(-1, len(samples) // 160).contiguous()


def _store(cache: Path, **data: object) -> SpeechStore:
    settings = DataSettings(cache=str(cache), **{"spoken": 5, "things": 3, "chinese": 0.5, **data})  # type: ignore[arg-type]
    return SpeechStore(settings, _features, 4, COLUMNS)


def test_everything_is_said_once_and_read_back(tmp_path: Path, said: list[str]) -> None:
    store = _store(tmp_path)
    store.fill()
    count = len(said)
    again = _store(tmp_path)
    again.fill()
    found = [each for index in range(len(again)) for each in again.utterances(index)]
    assert len(said) == count  # nothing new
    # the last shard holds a sixth scene
    assert 5 * 2 <= len(found) < count
    for utterance, features in found:
        assert features.shape == (4, len(utterance.text))
        assert utterance.samples == 160 * len(utterance.text)
        torch.testing.assert_close(features, _features(np.zeros(utterance.samples)), atol=0.01, rtol=0)
    assert {utterance.language for utterance, _ in found} == {"en", "zh"}


def test_other_settings_have_other_files_and_long_sounds_are_left_out(
    tmp_path: Path, said: list[str]
) -> None:
    _store(tmp_path).utterances(0)
    before = len(said)
    store = SpeechStore(DataSettings(cache=str(tmp_path), spoken=5, things=3, chinese=0.5), _features, 4, 20)
    assert all(features.shape[1] <= 20 for _, features in store.utterances(0))
    assert len(said) == before
    _store(tmp_path, seed=2).utterances(0)
    assert len(said) > before


def test_without_espeak_training_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_store, "speech_missing", lambda: "the program is missing; install it")
    with pytest.raises(TrainingError, match="install it"):
        _store(tmp_path)
