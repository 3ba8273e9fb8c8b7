import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

from evaluate.tasks.test_speech import Listener
from gesso.core.errors import UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.recognition import Fleurs, WenetSpeech
from models.megrez import originals


def test_fleurs(tmp_path: Path) -> None:
    for name, seconds in (("a.wav", 0.5), ("b.wav", 0.25)):
        soundfile.write(tmp_path / name, originals.sound(seconds), 16_000)
    rows = [
        ["7", "a.wav", 'He said "no".', "he said no", "h e", "8000", "FEMALE"],
        ["7", "b.wav", "Two fish", "two fish", "t w o", "4000", "MALE"],
    ]
    listing = tmp_path / "test.tsv"
    listing.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")
    task = Fleurs(data=str(listing), media=str(tmp_path))
    answers = {8000: "He said no!", 4000: "too fish"}
    report = evaluate(Listener(lambda n, _: answers[n]), task, Plan(count=10))
    assert report.n == 2
    assert report.scores["word error rate"].score == 0.2
    assert set(report.scores) == {"female", "male", "exact", "word error rate"}
    listing.write_text("a\tb\n", "utf-8")
    with pytest.raises(UsageError, match="line 1: 2 columns; Fleurs has 7"):
        evaluate(Listener(lambda n, _: ""), task, Plan(count=1))


def test_wenetspeech(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", originals.sound(2), 16_000)

    def segment(sid: str, begin: float, end: float, text: str, subset: str) -> dict[str, Any]:
        return {"sid": sid, "begin_time": begin, "end_time": end, "text": text, "subsets": [subset]}

    segments = [
        segment("s1", 0, 0.5, "你好世界", "TEST_NET"), segment("s2", 0.5, 1.75, "再见", "TEST_NET"),
        segment("s3", 0, 1, "会议", "TEST_MEETING"),
    ]  # fmt: skip
    listing = tmp_path / "WenetSpeech.json"
    listing.write_text(json.dumps({"audios": [{"aid": "a", "path": "a.flac", "segments": segments}]}))
    task = WenetSpeech(data=str(listing), media=str(tmp_path))
    answers = {8000: "你好，世界", 20000: "再贱"}
    report = evaluate(Listener(lambda n, _: answers[n]), task, Plan(count=10))
    assert report.n == 2
    assert report.scores["character error rate"].score == pytest.approx(1 / 6, abs=1e-5)
    listener = Listener(lambda n, _: "会议")
    listener.name = "megrez-3b-omni"
    meeting = WenetSpeech(data=str(listing), media=str(tmp_path), split="meeting")
    (theirs,) = evaluate(listener, meeting, Plan(count=10)).published
    assert (theirs.figure, theirs.value) == ("character error rate", 0.1644)
    listing.write_text("[]")
    with pytest.raises(UsageError, match="is not WenetSpeech's JSON"):
        evaluate(Listener(lambda n, _: ""), task, Plan(count=1))
    for wrong in ({"split": "novel"}, {"data": "nowhere"}):
        with pytest.raises(UsageError):
            WenetSpeech(**{"data": str(listing), "media": str(tmp_path), **wrong})
