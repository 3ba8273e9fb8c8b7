from itertools import pairwise

import numpy as np
import pytest

import tiny
from gesso.core.errors import UnsupportedError, UsageError
from gesso.engines.builders import build_llava
from gesso.engines.chat import Chat
from gesso.engines.options import LoadOptions
from gesso.engines.transcribe import RATE, cut_at_pauses, transcribe
from models.megrez import originals


def _talk(*seconds: float) -> np.ndarray:
    """Sounds of so many seconds with half a second of silence behind each."""
    silence = np.zeros(RATE // 2, np.float32)
    return np.concatenate([part for length in seconds for part in (originals.sound(length), silence)])


def test_long_recordings_are_cut_in_pauses() -> None:
    samples = _talk(8, 9, 7)
    pieces = list(cut_at_pauses(samples, 10 * RATE))
    assert pieces[0][0] == 0
    assert pieces[-1][1] == len(samples)
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    assert all(end - start <= 10 * RATE for start, end in pieces)
    for _, end in pieces[:-1]:
        assert not samples[end - 800 : end + 800].any()


def test_what_fits_stays_whole_and_a_rest_of_nothing_is_dropped() -> None:
    assert list(cut_at_pauses(_talk(1), 10 * RATE)) == [(0, int(1.5 * RATE))]
    loud = originals.sound(4) + 0.5
    pieces = list(cut_at_pauses(np.concatenate([loud, loud[:10]]), len(loud)))
    assert all(end - start > 10 for start, end in pieces)


def test_silent_pieces_are_left_out_and_times_are_those_of_the_pieces(
    tmp_path: pytest.TempPathFactory,
) -> None:
    chat = originals.chat(tmp_path)  # type: ignore[arg-type]
    engine = Chat(chat, chat.processor)
    samples = np.concatenate([originals.sound(2), np.zeros(40 * RATE, np.float32), originals.sound(2)])
    found = list(transcribe(engine, samples, batch=1))
    assert found[0].start == 0
    assert all(part.start < 2 or part.end > 42 for part in found)
    assert found[-1].end == pytest.approx(44)
    together = list(transcribe(engine, samples))
    assert [(p.start, p.end, p.text) for p in together] == [(p.start, p.end, p.text) for p in found]


def test_a_model_without_ears_is_refused(tmp_path: pytest.TempPathFactory) -> None:
    engine = build_llava(tiny.llava_folder(tmp_path), LoadOptions(device="cpu"))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="does not hear"):
        list(transcribe(engine, originals.sound(1)))
    with pytest.raises(UsageError, match="at least 1"):
        list(transcribe(_Hears(), np.zeros(0, np.float32)))  # type: ignore[arg-type]


class _Hears:
    class processor:  # noqa: N801
        clip_seconds = 30
