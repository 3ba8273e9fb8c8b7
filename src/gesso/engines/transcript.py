"""Transcripts: what was said when, and the formats that others read (no torch)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

from gesso.core.errors import UnknownNameError

__all__ = ["FORMATS", "Segment", "Transcript"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start: where it begins, in seconds.
        end: where it ends, in seconds.
        text: what is said.
    """

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a recording.

    Attributes:
        segments: in order; silence between them is left out.
        duration: of the recording, in seconds.
    """

    segments: tuple[Segment, ...]
    duration: float

    @property
    def text(self) -> str:
        """All of it, without times; Chinese needs no spaces between segments."""
        joined = ""
        for segment in self.segments:
            tight = not joined or _ideograph(joined[-1]) or _ideograph(segment.text[:1])
            joined += ("" if tight else " ") + segment.text
        return joined

    def written(self, name: str) -> str:
        """It in one of `FORMATS`, with a line break at its end.

        Raises:
            UnknownNameError: there is no such format.
        """
        if name not in FORMATS:
            raise UnknownNameError("transcript format", name, FORMATS)
        return FORMATS[name](self)


def _json(transcript: Transcript) -> str:
    values = {
        "text": transcript.text,
        "duration": round(transcript.duration, 3),
        "segments": [
            {"id": number, **{k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(each).items()}}
            for number, each in enumerate(transcript.segments)
        ],
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def _srt(transcript: Transcript) -> str:
    blocks = [
        f"{number}\n{_time(each.start, ',')} --> {_time(each.end, ',')}\n{_one_line(each.text)}\n"
        for number, each in enumerate(transcript.segments, start=1)
    ]
    return "\n".join(blocks)


def _vtt(transcript: Transcript) -> str:
    cues = [
        f"\n{_time(each.start, '.')} --> {_time(each.end, '.')}\n{_cue(each.text)}\n"
        for each in transcript.segments
    ]
    return "WEBVTT\n" + "".join(cues)


def _cue(text: str) -> str:
    # the arrow would end a cue's text, and the first two signs begin markup
    plain = _one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace("-->", "--&gt;")


def _one_line(text: str) -> str:
    # an empty line would end the subtitle
    return " ".join(text.split())


def _time(seconds: float, point: str) -> str:
    """HH:MM:SS and milliseconds."""
    total = round(seconds * 1000)
    hours, rest = divmod(total, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, parts = divmod(rest, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{point}{parts:03}"


def _ideograph(character: str) -> bool:
    return "\u2e80" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"


FORMATS: Final[Mapping[str, Callable[[Transcript], str]]] = MappingProxyType(
    {"text": lambda transcript: transcript.text + "\n", "json": _json, "srt": _srt, "vtt": _vtt}
)
"""Name of a format -> what writes it: plain text, OpenAI's verbose JSON in little, SubRip, WebVTT."""
