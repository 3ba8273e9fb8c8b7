"""Conversations about pictures: from the storybook, or from files in LLaVA's format."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol, Self

from PIL import Image as PILImage

from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.core.messages import Image, Message, Part, Text, assistant, user
from gesso.models.base import Encoded
from gesso.models.llava.processor import LlavaProcessor
from gesso.storybook.ask import conversation, questions, sign_questions
from gesso.train.pictures import PictureStore

__all__ = ["ConversationSource", "LlavaJson", "StorybookConversations"]

IMAGE_TAG: Final = "<image>"
SPEAKERS: Final[Mapping[str, Callable[..., Message]]] = {"human": user, "gpt": assistant}


class ConversationSource(Protocol):
    """A numbered collection of pictures, each with one or more conversations."""

    def __len__(self) -> int:
        """How many pictures there are."""
        ...

    def encode(self, processor: LlavaProcessor, example: int, number: int) -> list[Encoded]:
        """All conversations about one picture; `number` (of the micro-batch) seeds what is asked."""
        ...


class StorybookConversations:
    """Questions and descriptions about storybook pictures, new ones each time a picture comes round."""

    def __init__(self, pictures: PictureStore, data: DataSettings) -> None:
        self._pictures, self._data = pictures, data

    def __len__(self) -> int:
        """Different pictures."""
        return self._pictures.count

    def encode(self, processor: LlavaProcessor, example: int, number: int) -> list[Encoded]:
        """The description and many questions, each a conversation of its own, in one language."""
        # of the micro-batch, too: when a picture comes round again, other things are asked about it
        rng = Random(f"{self._data.seed}/{number}/{example}")
        language = "zh" if rng.random() < self._data.chinese else "en"
        scene = self._pictures.scene(example)
        asked = sign_questions(scene, language, rng) if self._data.read else []
        if rng.random() < self._data.describe:
            asked += conversation(scene, rng, "detail", language)
        if self._data.questions:
            asked += questions(scene, rng, self._data.questions, language)
        # a picture without any text would leave a hole in the batch
        asked = asked or conversation(scene, rng, "detail", language)
        # one object for all pairs, so that its pixels are prepared once
        image = Image(PILImage.fromarray(self._pictures.pixels(example)))
        pairs = [(user(image, item.question), assistant(item.answer)) for item in asked]
        return processor.encode_group(pairs)


class LlavaJson:
    """A LLaVA JSON list: `{id, image?, conversations: [{from: human|gpt, value}]}`.

    Args:
        path: the JSON file.
        images: folder that the `image` paths are relative to.
    """

    def __init__(self, path: Path, images: Path) -> None:
        try:
            # all at once, since JSON knows no parts of a list; LLaVA's 665 thousand samples are 1 GB
            samples = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # ValueError: no JSON, or no UTF-8
            raise TrainingError(f"cannot read {path}: {error}; give a LLaVA JSON list") from error
        if not isinstance(samples, list) or not samples:
            raise TrainingError(f"{path} holds no list of samples")
        self._samples: list[tuple[Any, Path]] = [(sample, images) for sample in samples]

    @classmethod
    def joined(cls, files: Sequence[tuple[Path, Path]]) -> Self:
        """Several files with their folders of pictures, one behind the other, such as one's own data and that
        of which Mini-Gemini learns to write prompts for a painter."""
        first, *others = (cls(path, images) for path, images in files)
        for other in others:
            first._samples += other._samples
        return first

    @cached_property
    def lengths(self) -> list[int]:
        """How many words each sample has; negative for those without pictures (see `train.grouping`)."""
        return [_length(sample) for sample, _ in self._samples]

    def __len__(self) -> int:
        """Samples."""
        return len(self._samples)

    def encode(self, processor: LlavaProcessor, example: int, number: int) -> list[Encoded]:
        """The sample's one conversation."""
        return processor.encode_group([self.messages(example)])

    def messages(self, example: int) -> list[Message]:
        """A sample as messages; the picture stands at the first turn that mentions it.

        Raises:
            TrainingError: the sample is not of the format, has too few turns or unknown speakers, or its
                pictures and image tags differ in number.
        """
        sample, folder = self._samples[example]
        if not isinstance(sample, dict):
            raise TrainingError(f"sample {example} is of type {type(sample).__name__}; it must be a mapping")
        name = f"sample {sample.get('id', example)}"
        turns = _turns(name, sample.get("conversations", []))
        if turns and turns[0][0] == "gpt":
            turns = turns[1:]  # as the original: an answer to nothing is not learned
        if len(turns) < 2:
            raise TrainingError(f"{name}: {len(turns)} turns; a conversation needs two or more")
        pictures = [Image(folder / path) for path in _picture_paths(name, sample.get("image", []))]
        tags = sum(value.count(IMAGE_TAG) for _, value in turns)
        if pictures and tags != len(pictures):
            raise TrainingError(f"{name}: {len(pictures)} pictures, but {tags} {IMAGE_TAG} tags; "
                                "give every picture one tag")  # fmt: skip
        left = iter(pictures)  # each turn takes as many as it has tags
        return [SPEAKERS[speaker](*_parts(value, left)) for speaker, value in turns]


def _length(sample: Any) -> int:
    """Words of a sample, as the originals count them; what is wrong with it is told when it is read."""
    turns = sample.get("conversations", []) if isinstance(sample, dict) else []
    values = (
        [turn.get("value") for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    )
    words = sum(len(value.split()) for value in values if isinstance(value, str))
    return words if isinstance(sample, dict) and "image" in sample else -words


def _turns(name: str, turns: Any) -> list[tuple[str, str]]:
    """Speaker and text of each turn."""
    if not isinstance(turns, list):
        raise TrainingError(f"{name}: conversations of type {type(turns).__name__}; it must be a list")
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
            raise TrainingError(f"{name}: turn {turn!r}; it must be a mapping of from and value, a text")
        if turn.get("from") not in list(SPEAKERS):  # a list: what came may have no hash
            raise TrainingError(f"{name}: turn from {turn.get('from')!r}; allowed: {', '.join(SPEAKERS)}")
    return [(turn["from"], turn["value"]) for turn in turns]


def _picture_paths(name: str, named: Any) -> list[str]:
    paths = named if isinstance(named, list) else [named]
    if not all(isinstance(path, str) for path in paths):
        raise TrainingError(f"{name}: image {named!r}; it must be a path or a list of paths")
    return paths


def _parts(value: str, pictures: Iterator[Image]) -> list[Part]:
    """Split a turn at its image tags; without pictures the tag is ordinary text, as in the original."""
    used = list(islice(pictures, value.count(IMAGE_TAG)))
    if not used:
        return [Text(value)]
    # as the original: pictures come first, wherever the tag stood
    return [*used, Text(value.replace(IMAGE_TAG, "").strip())]
