from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Message
from gesso.core.results import Answer, Usage
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks import speech
from gesso.evaluate.tasks.speech import StorybookAsr, StorybookSpoken
from gesso.evaluate.tasks.storybook import StorybookVqa
from gesso.storybook.speech import TEST_TIMBRES


class Listener:
    """Answers by what it hears, which here is the number of samples."""

    name = "listener"

    def __init__(self, script: Callable[[int, Message], str]) -> None:
        self._script = script

    def batch(self, conversations: list[list[Message]], **sampling: Any) -> list[Answer]:
        said = [self._script(len(message.sounds[0].source), message) for (message,) in conversations]
        return [Answer(text, "stop", Usage(1, 1)) for text in said]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What is said, by a program that gives its number in samples."""
    texts: list[tuple[str, Any]] = []

    def count(text: str, manner: Any) -> np.ndarray:
        texts.append((text, manner))
        return np.zeros(len(texts) - 1, np.float32)

    monkeypatch.setattr(speech, "say", count)
    monkeypatch.setattr(speech, "speech_missing", lambda: None)
    return texts


def test_spoken_questions_are_those_of_storybook_vqa_in_test_voices(heard: list[tuple[str, Any]]) -> None:
    task, written = StorybookSpoken(), StorybookVqa()
    samples = list(chain.from_iterable(task.rounds(3, 20, 8)))
    asked = [s.prompt for s in chain.from_iterable(written.rounds(3, 20, 8))]
    assert [sample.prompt for sample in samples] == asked
    truth = {sample.prompt: sample.target for sample in samples}
    report = evaluate(Listener(lambda n, _: truth[heard[n][0]]), task, Plan(count=20, seed=3))
    assert (report.score, report.n) == (1.0, 20)
    assert {manner.timbre for _, manner in heard} <= set(TEST_TIMBRES)
    assert evaluate(Listener(lambda n, _: "no idea"), task, Plan(count=20, seed=3)).score == 0


@pytest.mark.parametrize(("language", "unit"), [("en", "word"), ("zh", "character")])
def test_transcripts_have_error_rates(heard: list[tuple[str, Any]], language: str, unit: str) -> None:
    task = StorybookAsr(language=language)
    perfect = evaluate(Listener(lambda n, _: heard[n][0]), task, Plan(count=10))
    assert perfect.scores[f"{unit} error rate"].score == 0
    assert perfect.score == perfect.scores["exact"].score == 1
    heard.clear()
    deaf = evaluate(Listener(lambda n, _: ""), task, Plan(count=10))
    assert deaf.scores[f"{unit} error rate"].score == 1
    assert set(perfect.scores) == {"asked", "told", "exact", f"{unit} error rate"}


def test_training_data_and_silent_machines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in (StorybookAsr, StorybookSpoken):
        with pytest.raises(UsageError, match="learned from"):
            task(split="train")
    with pytest.raises(UsageError, match="pixels"):
        StorybookSpoken(size=4)
    monkeypatch.setattr(speech, "speech_missing", lambda: "no program")
    with pytest.raises(UnsupportedError, match="needs speech: no program"):
        StorybookAsr().check(Listener(lambda n, _: ""), 1)
