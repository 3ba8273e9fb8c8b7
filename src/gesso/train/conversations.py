"""Conversations about pictures: from the storybook, or from files in LLaVA's format."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

from PIL import Image as PILImage

from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.core.messages import Image, Message, Part, Text, assistant, user
from gesso.models.base import Encoded
from gesso.models.llava.processor import LlavaProcessor
from gesso.storybook.ask import conversation, questions
from gesso.train.pictures import PictureStore

__all__ = ["ConversationSource", "LlavaJson", "StorybookConversations"]

IMAGE_TAG: Final = "<image>"


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
        rng = Random(f"{self._data.seed}/{number}/{example}")
        language = "zh" if rng.random() < self._data.chinese else "en"
        scene = self._pictures.scene(example)
        asked = conversation(scene, rng, "detail", language) if rng.random() < self._data.describe else []
        asked += questions(scene, rng, self._data.questions, language)
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
            self._samples: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise TrainingError(f"cannot read {path}: {error}; give a LLaVA JSON list") from error
        if not isinstance(self._samples, list) or not self._samples:
            raise TrainingError(f"{path} holds no list of samples")
        self._images = images

    def __len__(self) -> int:
        """Samples."""
        return len(self._samples)

    def encode(self, processor: LlavaProcessor, example: int, number: int) -> list[Encoded]:
        """The sample's one conversation."""
        return [processor.encode(self.messages(example), add_generation_prompt=False)]

    def messages(self, example: int) -> list[Message]:
        """A sample as messages; the picture stands at the first turn that mentions it.

        Raises:
            TrainingError: the sample has no turns, unknown speakers, or image tags without a picture.
        """
        sample = self._samples[example]
        name = sample.get("id", example)
        pictures = self._pictures(sample)
        messages: list[Message] = []
        for turn in sample.get("conversations", []):
            content, pictures = _parts(str(turn.get("value", "")), pictures)
            match turn.get("from"):
                case "human":
                    messages.append(user(*content))
                case "gpt":
                    messages.append(assistant(*content))
                case other:
                    raise TrainingError(f"sample {name}: turn from {other!r}; allowed: human, gpt")
        if messages and messages[0].role == "assistant":
            messages = messages[1:]  # as the original: an answer to nothing is not learned
        if len(messages) < 2:
            raise TrainingError(f"sample {name}: {len(messages)} turns; a conversation needs two or more")
        if pictures:
            raise TrainingError(f"sample {name}: more pictures than {IMAGE_TAG} tags")
        return messages

    def _pictures(self, sample: dict[str, Any]) -> list[Image]:
        named = sample.get("image", [])
        paths = [named] if isinstance(named, str) else named
        return [Image(self._images / path) for path in paths]


def _parts(value: str, pictures: Sequence[Image]) -> tuple[list[Part], list[Image]]:
    """Split a turn at its image tags; without pictures the tag is ordinary text, as in the original."""
    if not pictures:
        return [Text(value)], []
    used = pictures[: value.count(IMAGE_TAG)]
    text = value.replace(IMAGE_TAG, "").strip()
    return [*used, Text(text)], list(pictures[len(used) :])
