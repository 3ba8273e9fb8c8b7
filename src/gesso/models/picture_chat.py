"""What chat models with pictures and sounds have in common: features spliced between token embeddings."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gesso.core.errors import UnsupportedError, UsageError
from gesso.models.base import (
    AUDIO_INDEX,
    IGNORE_INDEX,
    IMAGE_INDEX,
    MEDIA,
    SETTINGS_KEY,
    Encoded,
    ImageTiles,
    SoundClip,
)
from gesso.models.processor import ConversationProcessor
from gesso.models.settings import FamilySettings
from gesso.nn.merge import pad_rows, splice

__all__ = ["PictureChat", "Remembers"]

P = TypeVar("P", bound=ConversationProcessor)


class Remembers(Protocol):
    """Keeps features by what they are of."""

    def recall(self, items: Sequence[Any], make: Callable[[Sequence[Any]], list[Tensor]]) -> list[Tensor]:
        """Features of all items, [N_i, D] each; only those that are not kept are made."""
        ...


class PictureChat(ABC, Generic[P]):
    """A transformers module as gesso's engines and trainer see it: conversations in, prompt embeddings out.

    Letters: L positions of a prompt, B prompts, N positions of one picture, D width of the language model.

    Args:
        module: the whole model, a causal language model with `inputs_embeds`.
        processor: turns messages into its inputs.

    Attributes:
        memory: keeps features of pictures and sounds for the next prompt with the same ones; None keeps none.
            Training never asks it.
    """

    def __init__(self, module: PreTrainedModel, processor: P) -> None:
        self._module = module
        self.processor = processor
        self.memory: Remembers | None = None

    @property
    def module(self) -> PreTrainedModel:
        """The whole model."""
        return self._module

    @property
    def language_model(self) -> PreTrainedModel:
        """The causal language model: the whole module, which given embeddings leaves the towers alone.

        Its text settings are `config.get_text_config()`.
        """
        return self._module

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, nn.Module]:
        """Vision, projector and language model (with its head), sharing the module's weights."""

    @property
    @abstractmethod
    def settings(self) -> FamilySettings:
        """What distinguishes this model from others of its family."""

    def save_pretrained(self, folder: Path, *, state: Mapping[str, Tensor] | None = None) -> None:
        """Write a folder that loads as this model.

        Args:
            folder: where to.
            state: the weights, if they are to be others than the module's.
        """
        setattr(self._module.config, SETTINGS_KEY, self.settings.to_dict())
        self._module.save_pretrained(folder, state_dict=None if state is None else dict(state))
        self._save_processor(folder)

    @abstractmethod
    def _save_processor(self, folder: Path) -> None:
        """Write the files of tokenizer and picture processor."""

    @abstractmethod
    def features_of(self, images: Sequence[ImageTiles]) -> list[Tensor]:
        """Features of pictures as they stand in a prompt, [N_i, D] each."""

    def feature_count(self, image: ImageTiles) -> int:
        """How many positions a picture takes in a prompt."""
        return self.processor.picture_width(image)

    @property
    def hears_alone(self) -> bool:
        """Whether a sound's features are the same whatever other sounds are encoded with it."""
        return True

    def sound_count(self, sound: SoundClip) -> int:
        """How many positions a sound takes in a prompt."""
        return self.processor.sound_width(sound)

    def sound_features_of(self, sounds: Sequence[SoundClip]) -> list[Tensor]:
        """Features of sounds as they stand in a prompt, [N_i, D] each; families that hear have their own."""
        raise UnsupportedError(f"{len(sounds)} sounds for a model without ears; leave them out")

    def embed(self, encoded: Encoded) -> Tensor:
        """Prompt embeddings [L, D]."""
        return self.embed_rows([encoded])[0]

    def embed_rows(self, batch: Sequence[Encoded]) -> list[Tensor]:
        """Embeddings of prompts, [L_i, D] each; the pictures of all are seen in one call."""
        return self._splice(batch, self.memory)[0]

    def embed_batch(self, batch: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings of conversations for training, differentiable, padded on the right.

        Rows beyond the model's longest sequence are cut at their end, as the original does.

        Returns:
            embeddings [B, L, D], labels [B, L] (`IGNORE_INDEX` where nothing is learned), mask [B, L].
        """
        rows, labels = self._splice(batch)
        limit = self.processor.max_length
        # after the pictures are in, which the original does, too: a row may end in the middle of a picture
        embeddings, mask = pad_rows(rows, max_length=limit)  # [B, L, D], [B, L]
        cut = [row[:limit] for row in labels]
        return embeddings, nn.utils.rnn.pad_sequence(cut, True, IGNORE_INDEX), mask

    def _splice(
        self, batch: Sequence[Encoded], memory: "Remembers | None" = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Embeddings [L_i, D] and labels [L_i] of each conversation; the pictures of all in one call, and
        their sounds."""
        table = self._module.get_input_embeddings()
        device = self._module.device
        images = [image for encoded in batch for image in encoded.images]
        # the pictures of all rows at once, then each row takes as many as it has
        features = iter(memory.recall(images, self.features_of) if memory else self.features_of(images))
        clips = [sound for encoded in batch for sound in encoded.sounds]
        if memory and clips and self.hears_alone:
            heard = iter(memory.recall(clips, self.sound_features_of))
        else:
            heard = iter(self.sound_features_of(clips) if clips else ())
        rows, labels = [], []
        for encoded in batch:
            ids = torch.tensor(encoded.ids, device=device)
            learned = torch.tensor(encoded.supervised, device=device)
            pictures = [next(features) for _ in encoded.images]
            own = _in_order(encoded.ids, pictures, [next(heard) for _ in encoded.sounds])
            # ids that are not learned become labels the loss leaves out, [l]
            row, row_labels = splice(ids, table, own, ids.masked_fill(~learned, IGNORE_INDEX))
            rows.append(row)
            labels.append(row_labels)
        return rows, labels


def _in_order(ids: Sequence[int], pictures: Sequence[Tensor], sounds: Sequence[Tensor]) -> list[Tensor]:
    """Features of one row in the order of their places."""
    for index, given, noun in ((IMAGE_INDEX, pictures, "pictures"), (AUDIO_INDEX, sounds, "sounds")):
        # counted kind by kind: a sound too many must not take the place of a picture too few
        if ids.count(index) != len(given):
            raise UsageError(f"the row has {ids.count(index)} places for {noun}, but {len(given)} came; "
                             "give one for each")  # fmt: skip
    media = {IMAGE_INDEX: iter(pictures), AUDIO_INDEX: iter(sounds)}
    return [next(media[token]) for token in ids if token in MEDIA]
