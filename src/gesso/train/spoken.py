"""Spoken conversations of the storybook: questions by voice about a picture, and words to be written down."""

from random import Random
from typing import Any, Final

import torch
from PIL import Image as PILImage
from torch import Tensor

from gesso.config.schema import DataSettings
from gesso.core.messages import Audio, Image, Message, assistant, user
from gesso.engines.transcribe import INSTRUCTION
from gesso.models.base import Encoded, SoundClip
from gesso.models.megrez.model import MegrezChat
from gesso.models.processor import ConversationProcessor
from gesso.storybook.ask import conversation, questions
from gesso.train.pictures import PictureStore
from gesso.train.speech_store import SpeechStore

__all__ = ["SpokenConversations", "augmented", "speech_of"]

SHIFT: Final = 2
"""Mel bands that a voice may lie higher or lower."""

LOUDER: Final = 0.2
"""Of features: 8 decibels."""

HIDDEN_BANDS: Final = 8
HIDDEN_COLUMNS: Final = 12
HOLES: Final = 2
"""Most holes of each kind, and most bands and columns of one."""


class SpokenConversations:
    """Scenes asked about by voice and in writing, and what is said about them to be written down.

    Args:
        pictures: of the scenes.
        speech: what is said about the first of them.
        data: shares and counts.
    """

    def __init__(self, pictures: PictureStore, speech: SpeechStore, data: DataSettings) -> None:
        self._pictures, self._speech, self._data = pictures, speech, data

    def __len__(self) -> int:
        """Scenes that are spoken about."""
        return len(self._speech)

    def encode(self, processor: ConversationProcessor, example: int, number: int) -> list[Encoded]:
        """Conversations about one scene; `number` (of the micro-batch) seeds which, and what is asked."""
        rng = Random(f"{self._data.seed}/{number}/{example}")
        listen = rng.random() < self._data.heard
        pairs = self._heard(example, rng) if listen else self._asked(example, rng)
        return processor.encode_group(pairs)

    def _heard(self, index: int, rng: Random) -> list[list[Message]]:
        sounds = self._sounds(index, rng)
        rng.shuffle(sounds)  # those behind the end of a row are left out, and must not always be the same
        return [[user(sound, INSTRUCTION), assistant(said.text)] for said, sound in sounds]

    def _asked(self, index: int, rng: Random) -> list[list[Message]]:
        # one object for all, so that its pixels are prepared once
        image = Image(PILImage.fromarray(self._pictures.pixels(index)))
        spoken = [
            [user(image, sound), assistant(said.answer)]
            for said, sound in self._sounds(index, rng)
            if said.answer is not None
        ]
        language = "zh" if rng.random() < self._data.chinese else "en"
        scene = self._pictures.scene(index)
        written = questions(scene, rng, self._data.questions, language) if self._data.questions else []
        if rng.random() < self._data.describe:
            written += conversation(scene, rng, "detail", language)
        return [*spoken, *([user(image, each.question), assistant(each.answer)] for each in written)]

    def _sounds(self, index: int, rng: Random) -> list[tuple[Any, Audio]]:
        found = []
        for said, columns in self._speech.utterances(index):
            found.append((said, Audio(SoundClip(augmented(columns, rng), columns.shape[1] // 2))))
        return found


def speech_of(data: DataSettings, chat: MegrezChat) -> SpeechStore:
    """The speech of a recipe as a Megrez hears it, all of it said and on disk."""
    config: Any = chat.module.config
    # a hundred columns a second
    longest = chat.settings.clip_seconds * 100
    store = SpeechStore(data, chat.processor.log_mel, config.audio_config.num_mel_bins, longest)
    store.fill()
    return store


def augmented(features: Tensor, rng: Random) -> Tensor:
    """Features of another voice, with holes (SpecAugment, arXiv 1904.08779), [M, C] -> [M, C]."""
    bands, columns = features.shape
    shift = rng.randint(-SHIFT, SHIFT)
    source = (torch.arange(bands) + shift).clamp(0, bands - 1)
    changed = features[source] + rng.uniform(-LOUDER, LOUDER)
    floor = float(changed.min())
    for _ in range(rng.randint(0, HOLES)):
        start, width = rng.randrange(bands), rng.randint(0, HIDDEN_BANDS)
        changed[start : start + width] = floor
        start, width = rng.randrange(columns), rng.randint(0, HIDDEN_COLUMNS)
        changed[:, start : start + width] = floor
    return changed
