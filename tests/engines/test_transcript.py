import json

import pytest

from gesso.core.errors import UnknownNameError
from gesso.engines.transcript import Segment, Transcript

TALK = Transcript((Segment(0, 1.5, "hello <there>"), Segment(3725.25, 3726, "two\nlines --> here")), 3800.0)


def test_text_joins_segments_with_spaces_but_not_chinese_ones() -> None:
    assert TALK.written("text") == "hello <there> two\nlines --> here\n"
    assert Transcript((Segment(0, 1, "你好。"), Segment(1, 2, "再见")), 2).text == "你好。再见"
    assert Transcript((), 1).written("text") == "\n"


def test_json_has_times_in_seconds() -> None:
    values = json.loads(TALK.written("json"))
    assert values["duration"] == 3800.0
    assert values["segments"][1] == {"id": 1, "start": 3725.25, "end": 3726, "text": "two\nlines --> here"}


def test_subtitles_have_their_own_clocks_and_one_line_of_text() -> None:
    assert TALK.written("srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nhello <there>\n"
        "\n2\n01:02:05,250 --> 01:02:06,000\ntwo lines --> here\n"
    )
    assert TALK.written("vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nhello &lt;there>\n"
        "\n01:02:05.250 --> 01:02:06.000\ntwo lines --&gt; here\n"
    )


def test_other_formats_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="sbv"):
        TALK.written("sbv")
