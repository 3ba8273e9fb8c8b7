"""Tasks in the storybook world: questions, descriptions, and matching captions with pictures.

Scenes are drawn when they are asked for, from the seed. A hash of what a scene shows decides its split, so
none of them is in anyone's training data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import islice
from random import Random
from typing import Any, ClassVar, Final, Literal

import torch
from torch import Tensor

from gesso.core.errors import UnknownNameError, UsageError
from gesso.core.messages import Image, user
from gesso.evaluate.scorers import exact_match
from gesso.evaluate.task import Answers, Embeds, Model, Record, Sample, answering, embedding
from gesso.evaluate.tasks.fresh import groups, require_fresh, things_in
from gesso.storybook.ask import QUESTION_KINDS, conversation, questions, sign_questions
from gesso.storybook.draw import LARGEST_SIZE, SMALLEST_SIZE, draw
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scenes
from gesso.storybook.tell import caption, parse_description, scene_graph, scene_graph_f1
from gesso.storybook.words import words_of

__all__ = [
    "ANSWER_TOKENS",
    "GROUP",
    "PictureSample",
    "RetrievalSample",
    "StorybookDescribe",
    "StorybookRetrieval",
    "StorybookSigns",
    "StorybookVqa",
]

GROUP: Final = 100
"""Pictures of one retrieval group; chance is one in so many."""

# the longest answer names a thing with its colour and location: 20 tokens, or 50 of a foreign tokenizer
ANSWER_TOKENS: Final = 64
DESCRIPTION_TOKENS: Final = 384  # six things, each with two colours, in either language


@dataclass(frozen=True, slots=True)
class PictureSample(Sample):
    """A question about the picture of a scene."""

    scene: Scene


@dataclass(frozen=True, slots=True)
class RetrievalSample(Sample):
    """One direction of one picture's retrieval among its group.

    Attributes:
        group: the scenes of the group.
        number: which of them is meant.
    """

    group: tuple[Scene, ...]
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storybook:
    """What all storybook tasks let one choose.

    Attributes:
        split: "test" (new scenes), "novel" (also unseen pairs of kind and colour) or "val".
        language: "en" or "zh".
        size: side of the pictures in pixels, before the model's own preprocessing.
    """

    split: str = "test"
    language: str = "en"
    size: int = 96

    def __post_init__(self) -> None:
        """Refuse training data, and what the storybook does not have."""
        require_fresh(self.split)
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE:
            raise UsageError(f"size is {self.size}; pictures are {SMALLEST_SIZE} to {LARGEST_SIZE} pixels")
        words_of(self.language)

    def settings(self) -> dict[str, Any]:
        """All choices by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookVqa(_Storybook):
    """Short questions, each asked alone with its picture; the answer must be exact.

    Attributes:
        per_picture: questions about one picture; a scene with little in it may have fewer.
        kinds: kinds of question to ask, of `storybook.ask.QUESTION_KINDS`.
    """

    name: ClassVar[str] = "storybook-vqa"
    per_picture: int = 4
    kinds: tuple[str, ...] = QUESTION_KINDS

    def __post_init__(self) -> None:
        """Refuse unknown kinds of question."""
        _Storybook.__post_init__(self)
        if self.per_picture < 1 or not self.kinds:
            raise UsageError(f"{self.per_picture} questions a picture of {len(self.kinds)} kinds; "
                             "ask for at least one of each")  # fmt: skip
        for kind in self.kinds:
            if kind not in QUESTION_KINDS:
                raise UnknownNameError("question kind", kind, QUESTION_KINDS)

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that does not answer questions."""
        answering(model, self.name).batch([])  # a model may have the method and refuse

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[PictureSample]]:
        """The first `count` questions, `batch` at a time."""
        return groups(islice(self._samples(seed), count), batch)

    def ask(self, model: Model, samples: Sequence[PictureSample], batch: int) -> list[Record]:
        """Ask the questions and compare the answers."""
        predictions = _answers(answering(model, self.name), samples, self.size, ANSWER_TOKENS)
        return [
            Record.of(sample, prediction, exact_match(prediction, sample.target))
            for sample, prediction in zip(samples, predictions, strict=True)
        ]

    def settings(self) -> dict[str, Any]:
        """All choices, and how answers are decoded."""
        return {**asdict(self), "kinds": sorted(set(self.kinds)), **_decoding(ANSWER_TOKENS)}

    def _samples(self, seed: int) -> Iterator[PictureSample]:
        for number, scene in enumerate(scenes(self.split, seed)):
            # of the scene, not of the run: a larger count asks the same of the first scenes
            rng = Random(f"{self.name}/{seed}/{number}")
            # sorted: the order in which kinds were named must not change what is asked
            asked = questions(scene, rng, self.per_picture, self.language, sorted(set(self.kinds)))
            for place, item in enumerate(asked):
                yield PictureSample(f"{number}-{place}", item.kind, item.question, item.answer, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookDescribe(_Storybook):
    """Full descriptions, scored by the facts in them: F1 over the scene graph, by number of things.

    The extra figure "exact" is the share of descriptions that say everything in the very words of the world.
    """

    name: ClassVar[str] = "storybook-describe"

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that does not answer questions."""
        answering(model, self.name).batch([])  # a model may have the method and refuse

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[PictureSample]]:
        """The first `count` pictures, `batch` at a time."""
        return groups(islice(self._samples(seed), count), batch)

    def ask(self, model: Model, samples: Sequence[PictureSample], batch: int) -> list[Record]:
        """Ask for descriptions and compare their facts with the scenes'."""
        predictions = _answers(answering(model, self.name), samples, self.size, DESCRIPTION_TOKENS)
        return [self._record(*pair) for pair in zip(samples, predictions, strict=True)]

    def settings(self) -> dict[str, Any]:
        """All choices, and how descriptions are decoded."""
        return {**asdict(self), **_decoding(DESCRIPTION_TOKENS)}

    def _record(self, sample: PictureSample, prediction: str) -> Record:
        f1 = scene_graph_f1(parse_description(prediction, self.language), scene_graph(sample.scene))
        return Record.of(sample, prediction, f1, {"exact": exact_match(prediction, sample.target)})

    def _samples(self, seed: int) -> Iterator[PictureSample]:
        for number, scene in enumerate(scenes(self.split, seed)):
            rng = Random(f"{self.name}/{seed}/{number}")
            (item,) = conversation(scene, rng, "detail", self.language)
            yield PictureSample(str(number), things_in(scene), item.question, item.answer, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookSigns(_Storybook):
    """What small signs say, each asked alone with its picture; the answer must be exact.

    Attributes:
        detail: "low" asks models for the least they make of a picture; of a Mini-Gemini without a grid its
            high-resolution tower is then off, at the same number of positions.
    """

    name: ClassVar[str] = "storybook-signs"
    size: int = 256
    detail: str = "high"

    def __post_init__(self) -> None:
        """Refuse other details."""
        _Storybook.__post_init__(self)
        if self.detail not in ("high", "low"):
            raise UsageError(f"detail is {self.detail!r}; allowed: high, low")

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that does not answer questions."""
        answering(model, self.name).batch([])  # a model may have the method and refuse

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[PictureSample]]:
        """The first `count` signs, `batch` at a time."""
        return groups(islice(self._samples(seed), count), batch)

    def ask(self, model: Model, samples: Sequence[PictureSample], batch: int) -> list[Record]:
        """Ask what the signs say and compare the answers."""
        detail: Literal["high", "low"] = "low" if self.detail == "low" else "high"
        chosen = answering(model, self.name)
        predictions = _answers(chosen, samples, self.size, ANSWER_TOKENS, detail)
        return [
            Record.of(sample, prediction, exact_match(prediction, sample.target))
            for sample, prediction in zip(samples, predictions, strict=True)
        ]

    def settings(self) -> dict[str, Any]:
        """All choices, and how answers are decoded."""
        return {**asdict(self), **_decoding(ANSWER_TOKENS)}

    def _samples(self, seed: int) -> Iterator[PictureSample]:
        # most scenes have no sign, and are passed over
        for number, scene in enumerate(scenes(self.split, seed)):
            for place, item in enumerate(sign_questions(scene, self.language)):
                length = len(item.answer)
                kind = "1 character" if length == 1 else f"{length} characters"
                yield PictureSample(f"{number}-{place}", kind, item.question, item.answer, scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookRetrieval(_Storybook):
    """Which of a hundred captions belongs to a picture, and which of a hundred pictures to a caption.

    A caption leaves sizes and places of things out, so two scenes can share one; the later of the two is
    passed over and the next scene of the stream takes its place, as no model could tell them apart.
    """

    name: ClassVar[str] = "storybook-retrieval"

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that is no CLIP, and groups that are not full."""
        embedding(model, self.name).embed_texts(["a cat"])  # a model may have the method and refuse
        if count % GROUP:
            raise UsageError(f"count is {count}; {self.name} takes full groups, a multiple of {GROUP}")

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[RetrievalSample]]:
        """Group by group, both directions of every picture."""
        stream = enumerate(scenes(self.split, seed))
        for _ in range(count // GROUP):
            yield self._group(stream)

    def ask(self, model: Model, samples: Sequence[RetrievalSample], batch: int) -> list[Record]:
        """Embed the whole group, `batch` pictures or captions at a time, and take the nearest of each."""
        # samples of a round share their group, also when the run asks about one of them alone
        group = samples[0].group
        captions = [caption(scene, self.language) for scene in group]
        similarity = self._similarity(embedding(model, self.name), group, captions, batch)  # [N, N]
        pictures = [_picture(scene) for scene in group]
        options = {"image-to-text": captions, "text-to-image": pictures}
        # a row's best column, a column's best row
        nearest = {"image-to-text": similarity.argmax(1), "text-to-image": similarity.argmax(0)}  # [N] each
        records = []
        for sample in samples:
            found = int(nearest[sample.kind][sample.number])
            records.append(Record.of(sample, options[sample.kind][found], float(found == sample.number)))
        return records

    def _similarity(
        self, model: Embeds, group: Sequence[Scene], captions: Sequence[str], batch: int
    ) -> Tensor:
        """Similarity of each picture (row) with each caption (column), [N, N]."""
        pictures = [
            model.embed_images([draw(scene, self.size) for scene in part]) for part in groups(group, batch)
        ]
        texts = [model.embed_texts(part) for part in groups(captions, batch)]
        return torch.cat(pictures) @ torch.cat(texts).T  # [N, D] @ [D, N]

    def _group(self, stream: Iterator[tuple[int, Scene]]) -> list[RetrievalSample]:
        """The next `GROUP` scenes whose captions differ."""
        by_caption: dict[str, tuple[int, Scene]] = {}
        while len(by_caption) < GROUP:
            number, scene = next(stream)
            # the first scene with a caption keeps it; a dict keeps their order
            by_caption.setdefault(caption(scene, self.language), (number, scene))
        group = tuple(scene for _, scene in by_caption.values())
        samples = []
        for place, (text, (number, scene)) in enumerate(by_caption.items()):
            name, picture = str(number), _picture(scene)
            samples += [
                RetrievalSample(name, "image-to-text", picture, text, group, place),
                RetrievalSample(name, "text-to-image", text, picture, group, place),
            ]
        return samples


def _picture(scene: Scene) -> str:
    """What the log calls a picture."""
    return f"picture of scene {scene.seed}"


def _decoding(tokens: int) -> dict[str, Any]:
    return {"temperature": 0.0, "max_new_tokens": tokens}


def _answers(
    model: Answers,
    samples: Sequence[PictureSample],
    size: int,
    tokens: int,
    detail: Literal["auto", "low", "high"] = "auto",
) -> list[str]:
    """What the model says to each sample's picture and question."""
    paint = cache(partial(draw, size=size))  # several questions share a picture
    conversations = [[user(Image(paint(sample.scene), detail), sample.prompt)] for sample in samples]
    return [answer.text for answer in model.batch(conversations, **_decoding(tokens))]
