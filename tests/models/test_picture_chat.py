"""What chat models of families share, tested with features that are the picture's own pixels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from gesso.core.errors import UnsupportedError, UsageError
from gesso.models.base import AUDIO_INDEX, IGNORE_INDEX, IMAGE_INDEX, Encoded, ImageTiles, SoundClip
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.picture_chat import PictureChat


class Plain(PictureChat[LlavaProcessor]):
    """One position a row of pixels; counts how often it is asked for features."""

    asked = 0

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        return {"language": self.module}

    def features_of(self, images: Sequence[ImageTiles]) -> list[Tensor]:
        self.asked += 1
        return [image.pixels for image in images]

    @property
    def settings(self) -> LlavaSettings:
        return self.processor.settings

    def _save_processor(self, folder: Path) -> None:
        raise NotImplementedError


def processor(longest: int) -> LlavaProcessor:
    return LlavaProcessor(tiny.tokenizer(), LlavaSettings(template="storybook", max_length=longest))


def picture(rows: int) -> ImageTiles:
    return ImageTiles(torch.full((rows, 32), float(rows)), (1, 1))


def test_features_stand_where_their_pictures_do() -> None:
    chat = Plain(tiny.llama(), processor(99))
    ids = (5, IMAGE_INDEX, 6, IMAGE_INDEX)
    embeddings = chat.embed(Encoded(ids, (False,) * 4, (picture(3), picture(2))))
    assert embeddings.shape == (7, 32)
    assert (embeddings[1:4] == 3).all()
    assert (embeddings[5:] == 2).all()
    table = chat.language_model.get_input_embeddings()
    assert torch.equal(embeddings[[0, 4]], table(torch.tensor([5, 6])))


def test_a_batch_asks_for_features_once_and_is_cut_to_the_longest_sequence() -> None:
    chat = Plain(tiny.llama(), processor(4))
    batch = [Encoded((IMAGE_INDEX, 5, 6), (False, True, True), (picture(3),)), Encoded((7,), (True,))]
    embeddings, labels, mask = chat.embed_batch(batch)
    assert chat.asked == 1
    assert embeddings.shape == (2, 4, 32)
    ignored = IGNORE_INDEX
    assert labels.tolist() == [[ignored, ignored, ignored, 5], [7, ignored, ignored, ignored]]
    assert mask.tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]


class Hearing(Plain):
    """One position a column of a sound's features."""

    def sound_features_of(self, sounds: Sequence[SoundClip]) -> list[Tensor]:
        return [sound.features.T for sound in sounds]


def test_pictures_and_sounds_each_stand_in_their_own_places() -> None:
    ids, sound = (AUDIO_INDEX, 5, IMAGE_INDEX, AUDIO_INDEX), SoundClip(torch.full((32, 2), 7.0), 2)
    encoded = Encoded(ids, (False,) * 4, (picture(1),), (sound, sound))
    embeddings = Hearing(tiny.llama(), processor(99)).embed(encoded)
    assert embeddings[:, 0].tolist()[:2] == [7, 7]
    assert embeddings[:, 0].tolist()[3:] == [1, 7, 7]
    with pytest.raises(UsageError, match="1 places for pictures, but 2 came"):
        Hearing(tiny.llama(), processor(99)).embed(
            Encoded(ids, (False,) * 4, (picture(1), picture(1)), (sound,))
        )
    with pytest.raises(UnsupportedError, match="2 sounds for a model without ears"):
        Plain(tiny.llama(), processor(99)).embed(encoded)
