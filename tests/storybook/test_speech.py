from dataclasses import replace
from random import Random

import numpy as np
import pytest

from gesso.core.errors import MediaError, UnknownNameError, UsageError
from gesso.storybook import speech
from gesso.storybook.speech import RATE, TEST_TIMBRES, TRAIN_TIMBRES, Manner, sample_manner, say

WHY = speech.speech_missing()
speaks = pytest.mark.skipif(WHY is not None, reason=str(WHY))
CLEAN = Manner(language="en", accent="en-us", timbre="m1")


def test_test_voices_are_never_heard_in_training() -> None:
    assert not set(TRAIN_TIMBRES) & set(TEST_TIMBRES)
    for split, timbres in (("train", TRAIN_TIMBRES), ("test", TEST_TIMBRES), ("novel", TEST_TIMBRES)):
        rng = Random(1)
        heard = {sample_manner(rng, language, split).timbre for _ in range(300) for language in ("en", "zh")}
        assert heard == set(timbres)


def test_manners_differ_in_everything_and_are_repeatable() -> None:
    manners = [sample_manner(Random(seed), "en") for seed in range(60)]
    assert manners == [sample_manner(Random(seed), "en") for seed in range(60)]
    assert len({m.accent for m in manners}) > 4
    assert len({m.speed for m in manners}) > 20
    assert {m.noise is None for m in manners} == {True, False}


@speaks
def test_speech_is_as_long_as_its_speed_says_and_the_same_each_time() -> None:
    slow, fast = (say("three red fish", replace(CLEAN, speed=speed)) for speed in (120, 210))
    assert len(slow) > 1.3 * len(fast) > RATE / 3
    assert fast.dtype == np.float32
    assert np.abs(fast).max() <= 1
    np.testing.assert_array_equal(fast, say("three red fish", replace(CLEAN, speed=210)))


@speaks
@pytest.mark.parametrize("colour", [0, 1, 2])
def test_noise_is_as_loud_as_it_is_said_to_be(colour: int) -> None:
    clean = say("a blue house", CLEAN)
    noisy = say("a blue house", replace(CLEAN, noise=20.0, colour=colour, seed=3))
    ratio = 10 * np.log10(np.mean(clean**2) / np.mean((noisy - clean) ** 2))
    assert ratio == pytest.approx(20, abs=0.5)


@speaks
def test_all_voices_speak() -> None:
    for timbre in (*TRAIN_TIMBRES, *TEST_TIMBRES):
        assert len(say("one", replace(CLEAN, timbre=timbre))) > RATE / 10
    chinese = Manner(language="zh", accent="cmn", timbre="f1")
    assert len(say("三条鱼", chinese)) > RATE / 4


@speaks
def test_a_text_that_looks_like_an_option_is_spoken() -> None:
    assert len(say("--version", CLEAN)) > RATE / 4


def test_what_cannot_be_said_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="empty text"):
        say(" ", CLEAN)
    with pytest.raises(UnknownNameError, match="accent"):
        say("hello", replace(CLEAN, accent="en-xx"))
    monkeypatch.setattr(speech.shutil, "which", lambda _: None)
    with pytest.raises(MediaError, match="espeak-ng is not on this machine; install it"):
        say("hello", CLEAN)
