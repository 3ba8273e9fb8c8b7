"""Models for tests of the runner: scripted, so that their scores are known beforehand."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.core.messages import Message
from gesso.core.results import Answer, Usage
from gesso.evaluate.tasks.storybook import PictureSample, RetrievalSample
from gesso.storybook.draw import draw

WIDTH = 512


class Scripted:
    """Answers each picture and question by a script, and remembers how many it got in each batch."""

    def __init__(self, script: Callable[[bytes, str], str], name: str = "scripted") -> None:
        self.name = name
        self.batches: list[int] = []
        self.sampling: list[dict[str, Any]] = []
        self._script = script

    def batch(self, conversations: list[list[Message]], **sampling: Any) -> list[Answer]:
        if conversations:
            self.batches.append(len(conversations))
            self.sampling.append(sampling)
        return [self._answer(messages) for messages in conversations]

    def _answer(self, messages: list[Message]) -> Answer:
        (message,) = messages
        (image,) = message.images
        return Answer(self._script(image.source.tobytes(), message.text), "stop", Usage(1, 1))


def oracle(samples: Sequence[PictureSample], size: int) -> Scripted:
    """A model that has been told the scenes; it answers with capitals and a final stop."""
    truth = {(draw(s.scene, size).tobytes(), s.prompt): s.target for s in samples}
    return Scripted(
        lambda picture, question: f" {truth[picture, question].rstrip('.。').capitalize()}.\n", "oracle"
    )


def parrot(text: str = "I cannot say") -> Scripted:
    """A model that always says the same."""
    return Scripted(lambda picture, question: text, "parrot")


def refusing(question: str) -> Scripted:
    """A model that refuses one question."""

    def script(picture: bytes, asked: str) -> str:
        if asked == question:
            raise UsageError("the conversation is too long")
        return "yes"

    return Scripted(script, "refusing")


class ScriptedEncoder:
    """Gives pictures and texts that belong together the same vector; `wrong` moves the texts on by one."""

    def __init__(self, samples: Sequence[RetrievalSample], size: int, *, wrong: bool = False) -> None:
        self.name = "encoder"
        self.widest = 0
        pairs = [
            (draw(s.group[s.number], size).tobytes(), s.target) for s in samples if s.kind == "image-to-text"
        ]
        self._pictures = {picture: place for place, (picture, _) in enumerate(pairs)}
        self._texts = {text: place + wrong for place, (_, text) in enumerate(pairs)}

    def embed_images(self, images: Sequence[Image.Image]) -> Tensor:
        self.widest = max(self.widest, len(images))
        return torch.eye(WIDTH)[[self._pictures[image.tobytes()] for image in images]]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        self.widest = max(self.widest, len(texts))
        return torch.eye(WIDTH)[[self._texts.get(text, 0) for text in texts]]
