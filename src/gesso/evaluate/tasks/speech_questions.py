"""Questions asked by voice, with known answers, from a list of a user's own or of a public spoken QA set."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from gesso.core.errors import UsageError
from gesso.core.messages import Audio, user
from gesso.engines.transcribe import LONGEST_FILE, RATE
from gesso.evaluate.speech_scores import UNITS, normalise_transcript
from gesso.evaluate.task import Model, Record, Sample, answering
from gesso.evaluate.tasks.fresh import groups
from gesso.evaluate.tasks.official import field_of, json_lines, table_rows, wrong
from gesso.media.audio import load_audio

__all__ = ["SpeechQa", "SpokenQuestion", "contains_answer"]

TOKENS: Final = 256
BETWEEN_ANSWERS: Final = "|"
ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True, slots=True)
class SpokenQuestion(Sample):
    """A recording with answers that count as right.

    Attributes:
        path: of the recording.
        answers: any of which will do.
    """

    path: Path
    answers: tuple[str, ...]

    @property
    def sound(self) -> Audio:
        """It, as samples."""
        return Audio(load_audio(self.path, rate=RATE, max_seconds=LONGEST_FILE))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechQa:
    """Spoken questions: `data` is a list of recordings, JSON lines (.jsonl) or a table with tabs (.tsv).

    Each has `audio` (a path from the list's folder) and `answers` (a list of texts; in a table joined by
    "|"), and may have `question` (text to go with the sound), `kind` and `id`. An answer is right if it
    says one of the true
    ones: their words stand in it in a row, without capitals, punctuation and articles.

    Attributes:
        language: "zh" compares characters, all others words.
    """

    name: ClassVar[str] = "speech-qa"
    data: str
    language: str = "en"

    @property
    def split(self) -> str:
        """The list's own name."""
        return Path(self.data).stem

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that does not answer questions, and a list without one."""
        answering(model, self.name).batch([])
        if next(self._samples(), None) is None:
            raise UsageError(f"{self.data} holds no question; each line has audio and answers")

    def settings(self) -> dict[str, Any]:
        """All choices, and how answers are decoded."""
        return {**asdict(self), "temperature": 0.0, "max_new_tokens": TOKENS}

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[SpokenQuestion]]:
        """The first `count` questions of the list, `batch` at a time; `seed` chooses nothing."""
        return groups(islice(self._samples(), count), batch)

    def ask(self, model: Model, samples: Sequence[SpokenQuestion], batch: int) -> list[Record]:
        """Ask the questions and look for the answers."""
        asked = [[user(sample.sound, *filter(None, (sample.prompt,)))] for sample in samples]
        answers = answering(model, self.name).batch(asked, temperature=0.0, max_new_tokens=TOKENS)
        return [self._record(s, answer.text) for s, answer in zip(samples, answers, strict=True)]

    def _record(self, sample: SpokenQuestion, said: str) -> Record:
        right = any(contains_answer(said, answer, self.language) for answer in sample.answers)
        normal = _normal(said, self.language)
        exact = any(_normal(answer, self.language) == normal for answer in sample.answers)
        return Record.of(sample, said, float(right), {"exact": float(exact)})

    def _samples(self) -> Iterator[SpokenQuestion]:
        path = Path(self.data)
        if not path.is_file():
            raise wrong(
                self.data, "there is no such file", "give a list of recordings (.jsonl or .tsv) with --data"
            )
        rows = table_rows(path, ("audio", "answers")) if path.suffix == ".tsv" else json_lines(path)
        for number, (place, row) in enumerate(rows, start=1):
            yield _question(path.parent, row, place, number)


def contains_answer(said: str, answer: str, language: str) -> bool:
    """Whether an answer is said: its words in a row (Chinese: its characters), both normalised."""
    whole, part = _normal(said, language), _normal(answer, language)
    if language in UNITS:
        return bool(part) and part in whole
    return bool(part) and f" {part} " in f" {whole} "


def _normal(text: str, language: str) -> str:
    plain = normalise_transcript(text, language)
    return " ".join(ARTICLES.sub(" ", plain).split()) if language == "en" else plain


def _question(folder: Path, row: Mapping[str, Any], place: str, number: int) -> SpokenQuestion:
    sound = folder / str(field_of(row, "audio", place))
    if not sound.is_file():
        raise wrong(place, f"its recording {sound} is not there", "paths start at the folder of the list")
    given = field_of(row, "answers", place)
    answers = tuple(given if isinstance(given, list) else (str(given or "").split(BETWEEN_ANSWERS)))
    if not all(isinstance(answer, str) and answer.strip() for answer in answers) or not answers:
        raise wrong(place, f"its answers are {given!r}", 'write a list of texts, such as ["two", "2"]')
    name, kind = str(row.get("id") or number), str(row.get("kind") or "question")
    return SpokenQuestion(name, kind, str(row.get("question") or ""), answers[0], sound, answers)
