"""Speech recognition in the official formats of Fleurs and WenetSpeech: word or character error rates."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from gesso.core.errors import UsageError
from gesso.core.messages import Audio, user
from gesso.engines.transcribe import INSTRUCTION, LONGEST_FILE, RATE
from gesso.evaluate.published import published_for
from gesso.evaluate.report import Outcome
from gesso.evaluate.speech_scores import UNITS, count_errors
from gesso.evaluate.task import Model, Record, Sample, answering
from gesso.evaluate.tasks.fresh import groups
from gesso.media.audio import load_audio

__all__ = ["Fleurs", "HeardSample", "WenetSpeech"]

TOKENS: Final = 256
FLEURS_COLUMNS: Final = 7
"""id, file name, raw transcription, transcription, characters, samples, gender; no header."""

SUBSETS: Final = {"test": "TEST_NET", "meeting": "TEST_MEETING", "dev": "DEV"}
"""Our split -> WenetSpeech's subset."""


@dataclass(frozen=True, slots=True)
class HeardSample(Sample):
    """A stretch of a recording.

    Attributes:
        path: of the recording.
        begin: where the stretch begins, in seconds.
        end: where it ends; None is the end of the recording.
    """

    path: Path
    begin: float = 0.0
    end: float | None = None

    @property
    def sound(self) -> Audio:
        """It, as samples."""
        whole = _recording(self.path)
        last = None if self.end is None else round(self.end * RATE)
        return Audio(whole[round(self.begin * RATE) : last])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recognition:
    """What both tasks let one choose.

    Attributes:
        data: the official list: Fleurs' TSV of a split, WenetSpeech's JSON.
        media: folder of the recordings.
        split: which part.
        language: "zh" counts characters, all others words.
    """

    name: ClassVar[str]
    data: str
    media: str
    split: str = "test"
    language: str = "en"

    def __post_init__(self) -> None:
        """Refuse data that are not there."""
        if not Path(self.data).is_file() or not Path(self.media).is_dir():
            raise UsageError(f"{self.name} needs its official files: --data {self.data!r} must be its list, "
                             f"--media {self.media!r} the folder of its recordings")  # fmt: skip

    @property
    def rates(self) -> Mapping[str, tuple[str, str]]:
        """Errors over what was said."""
        unit = "character" if self.language in UNITS else "word"
        return {f"{unit} error rate": ("errors", "length")}

    def outcome(self, model: str, records: Sequence[Record]) -> Outcome:
        """What the model's publishers report."""
        return Outcome(published=published_for(model, f"{self.name}-{self.language}-{self.split}"))

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that does not answer questions."""
        answering(model, self.name).batch([])

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[HeardSample]]:
        """The first `count` samples of the list, `batch` at a time; `seed` chooses nothing."""
        return groups(islice(self._samples(), count), batch)

    def settings(self) -> dict[str, Any]:
        """All choices, and how answers are decoded."""
        return {**asdict(self), "temperature": 0.0, "max_new_tokens": TOKENS, "instruction": INSTRUCTION}

    def ask(self, model: Model, samples: Sequence[HeardSample], batch: int) -> list[Record]:
        """Have it written down and count the errors."""
        asked = [[user(sample.sound, INSTRUCTION)] for sample in samples]
        answers = answering(model, self.name).batch(asked, temperature=0.0, max_new_tokens=TOKENS)
        return [self._record(s, answer.text) for s, answer in zip(samples, answers, strict=True)]

    def _record(self, sample: HeardSample, prediction: str) -> Record:
        errors, length = count_errors(prediction, sample.target, self.language)
        extras = {"errors": float(errors), "length": float(length), "exact": float(not errors)}
        return Record.of(sample, prediction, max(0.0, 1 - errors / max(1, length)), extras)

    def _samples(self) -> Iterator[HeardSample]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleurs(_Recognition):
    """Fleurs (arXiv 2205.12446): read sentences, one language a file; `data` is such as en_us/test.tsv."""

    name: ClassVar[str] = "fleurs"

    def _samples(self) -> Iterator[HeardSample]:
        with Path(self.data).open(encoding="utf-8", newline="") as file:
            # quotation marks are part of the sentences
            for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
                if len(row) != FLEURS_COLUMNS:
                    raise UsageError(f"{self.data}, line {number}: {len(row)} columns; Fleurs has "
                                     f"{FLEURS_COLUMNS}")  # fmt: skip
                # a sentence is read by several people under one id
                place = Path(self.media) / row[1]
                yield HeardSample(f"{row[0]}-{number}", row[6].lower(), row[1], row[3], place)


@dataclass(frozen=True, slots=True, kw_only=True)
class WenetSpeech(_Recognition):
    """WenetSpeech (arXiv 2110.03370): Chinese of the internet; splits test (TEST_NET), meeting and dev."""

    name: ClassVar[str] = "wenetspeech"
    language: str = "zh"

    def __post_init__(self) -> None:
        """Refuse splits that it does not have."""
        _Recognition.__post_init__(self)
        if self.split not in SUBSETS:
            raise UsageError(f"split is {self.split!r}; WenetSpeech has {', '.join(SUBSETS)}")

    def _samples(self) -> Iterator[HeardSample]:
        try:
            recordings = json.loads(Path(self.data).read_text(encoding="utf-8"))["audios"]
            for recording in recordings:
                place = Path(self.media) / recording["path"]
                for part in recording["segments"]:
                    if SUBSETS[self.split] in part["subsets"]:
                        stretch = (float(part["begin_time"]), float(part["end_time"]))
                        yield HeardSample(part["sid"], self.split, part["sid"], part["text"], place, *stretch)
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self.data} is not WenetSpeech's JSON ({error!r}); it has audios with path and "
                "segments of sid, begin_time, end_time, text and subsets"
            ) from error


# segments of a recording follow each other, and one can be hours long
@lru_cache(maxsize=1)
def _recording(path: Path) -> NDArray[np.float32]:
    return load_audio(path, rate=RATE, max_seconds=LONGEST_FILE)
