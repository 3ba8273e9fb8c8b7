"""Tasks in the storybook world by voice: spoken questions about a picture, and speech to be written down.

espeak-ng says everything when it is asked for, in voices that no training has heard, at random speeds,
pitches and noise levels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import islice
from random import Random
from typing import Any, ClassVar, Final

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, Message, user
from gesso.engines.transcribe import INSTRUCTION
from gesso.evaluate.scorers import exact_match
from gesso.evaluate.speech_scores import UNITS, count_errors
from gesso.evaluate.task import Model, Record, Sample, answering
from gesso.evaluate.tasks.fresh import groups, require_fresh
from gesso.evaluate.tasks.storybook import ANSWER_TOKENS
from gesso.storybook.ask import questions
from gesso.storybook.draw import LARGEST_SIZE, SMALLEST_SIZE, draw
from gesso.storybook.scene import Scene
from gesso.storybook.speech import Manner, sample_manner, say, speech_missing
from gesso.storybook.splits import scenes
from gesso.storybook.spoken import spoken_texts
from gesso.storybook.words import words_of

__all__ = ["SpokenSample", "StorybookAsr", "StorybookSpoken"]

TRANSCRIPT_TOKENS: Final = 128


@dataclass(frozen=True, slots=True)
class SpokenSample(Sample):
    """Something said about a scene.

    Attributes:
        scene: what it is about.
        manner: how it is said.
    """

    scene: Scene
    manner: Manner

    @property
    def sound(self) -> Audio:
        """It, said."""
        return Audio(say(self.prompt, self.manner))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spoken:
    """What both tasks let one choose.

    Attributes:
        split: "test" (new scenes), "novel" (also unseen pairs of kind and colour) or "val"; voices are those
            for tests in all of them.
        language: "en" or "zh".
    """

    name: ClassVar[str]
    split: str = "test"
    language: str = "en"

    def __post_init__(self) -> None:
        """Refuse training data, and what the storybook does not have."""
        require_fresh(self.split)
        words_of(self.language)

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that does not answer questions, and a machine that cannot speak."""
        answering(model, self.name).batch([])  # a model may have the method and refuse
        missing = speech_missing()
        if missing:
            raise UnsupportedError(f"{self.name} needs speech: {missing}")

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[SpokenSample]]:
        """The first `count` samples, `batch` at a time."""
        return groups(islice(self._samples(seed), count), batch)

    def settings(self) -> dict[str, Any]:
        """All choices, and how answers are decoded."""
        return {**asdict(self), "temperature": 0.0}

    def _samples(self, seed: int) -> Iterator[SpokenSample]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookSpoken(_Spoken):
    """Short questions asked by voice with their picture; the answer must be exact.

    The questions are those of storybook-vqa with the same seed, so the two scores can be compared.

    Attributes:
        size: side of the pictures in pixels, before the model's own preprocessing.
    """

    name: ClassVar[str] = "storybook-spoken"
    size: int = 96

    def __post_init__(self) -> None:
        """Refuse sizes that the storybook does not draw."""
        _Spoken.__post_init__(self)
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE:
            raise UsageError(f"size is {self.size}; pictures are {SMALLEST_SIZE} to {LARGEST_SIZE} pixels")

    def ask(self, model: Model, samples: Sequence[SpokenSample], batch: int) -> list[Record]:
        """Ask the questions and compare the answers."""
        paint = cache(partial(draw, size=self.size))  # several questions share a picture
        asked = [[user(Image(paint(sample.scene)), sample.sound)] for sample in samples]
        answers = _answers(model, self.name, asked, ANSWER_TOKENS)
        pairs = zip(samples, answers, strict=True)
        return [Record.of(sample, answer, exact_match(answer, sample.target)) for sample, answer in pairs]

    def _samples(self, seed: int) -> Iterator[SpokenSample]:
        for number, scene in enumerate(scenes(self.split, seed)):
            rng = Random(f"storybook-vqa/{seed}/{number}")
            voice = Random(f"{self.name}/{seed}/{number}")
            for place, item in enumerate(questions(scene, rng, 4, self.language)):
                manner = sample_manner(voice, self.language, self.split)
                name = f"{number}-{place}"
                yield SpokenSample(name, item.kind, item.question, item.answer, scene, manner)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookAsr(_Spoken):
    """Questions, wishes and descriptions to be written down; the score is the share of words that are right.

    The figures "word error rate" and "character error rate" are errors over words (Chinese: characters) of
    the whole task, as speech recognition reports them; "exact" is the share without any error.
    """

    name: ClassVar[str] = "storybook-asr"

    @property
    def rates(self) -> Mapping[str, tuple[str, str]]:
        """Errors over what was said."""
        unit = "character" if self.language in UNITS else "word"
        return {f"{unit} error rate": ("errors", "length")}

    def ask(self, model: Model, samples: Sequence[SpokenSample], batch: int) -> list[Record]:
        """Have it written down and count the errors."""
        asked = [[user(sample.sound, INSTRUCTION)] for sample in samples]
        answers = _answers(model, self.name, asked, TRANSCRIPT_TOKENS)
        return [self._record(*pair) for pair in zip(samples, answers, strict=True)]

    def _record(self, sample: SpokenSample, prediction: str) -> Record:
        errors, length = count_errors(prediction, sample.target, self.language)
        extras = {"errors": float(errors), "length": float(length), "exact": float(not errors)}
        return Record.of(sample, prediction, max(0.0, 1 - errors / max(1, length)), extras)

    def _samples(self, seed: int) -> Iterator[SpokenSample]:
        for number, scene in enumerate(scenes(self.split, seed)):
            rng = Random(f"{self.name}/{seed}/{number}")
            for place, said in enumerate(spoken_texts(scene, rng, self.language, 1)):
                kind = "told" if said.answer is None else "asked"
                manner = sample_manner(rng, self.language, self.split)
                yield SpokenSample(f"{number}-{place}", kind, said.text, said.text, scene, manner)


def _answers(model: Model, task: str, asked: list[list[Message]], tokens: int) -> list[str]:
    answers = answering(model, task).batch(asked, temperature=0.0, max_new_tokens=tokens)
    return [answer.text for answer in answers]
