"""Instruction tuning: answers about pictures (LLaVA, arXiv 2304.08485, section 4.2) and about sounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gesso.config.schema import DataSettings
from gesso.core.errors import ConfigError
from gesso.models.base import AUDIO_INDEX, IMAGE_INDEX, ImageTiles, SoundClip
from gesso.models.picture_chat import PictureChat
from gesso.nn.merge import place
from gesso.train.batching import PackedBatch, collate, pack
from gesso.train.conversations import ConversationSource, LlavaJson
from gesso.train.objectives.language import answer_loss, show_supervision
from gesso.train.saving import save_chat

__all__ = ["VisionLanguageBatch", "VisionLanguageObjective"]


@dataclass(frozen=True, slots=True)
class VisionLanguageBatch:
    """Packed rows, and their pictures and sounds in order."""

    rows: PackedBatch
    images: list[ImageTiles]
    sounds: list[SoundClip]


class VisionLanguageObjective:
    """Answers given a picture or a sound, and a question.

    All conversations about one picture are packed behind it (see `train.batching.pack`), so the tower and
    the shared prefix are computed once, and each conversation trains as if it were alone.
    """

    def __init__(self, chat: PictureChat[Any], source: ConversationSource, data: DataSettings) -> None:
        self.chat, self.source, self.data = chat, source, data

    @property
    def module(self) -> nn.Module:
        """The whole model."""
        return self.chat.module

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """Towers, projectors and language model have rates of their own."""
        return self.chat.parts

    @property
    def examples(self) -> int:
        """Different pictures."""
        return len(self.source)

    @property
    def lengths(self) -> Sequence[int]:
        """Words of the examples, negative for those without pictures; from files only."""
        if not isinstance(self.source, LlavaJson):
            raise ConfigError(f"run.grouped with data.source {self.data.source}, where every example has a "
                              "picture; leave it out")  # fmt: skip
        return self.source.lengths

    def batch(self, examples: list[int], number: int) -> VisionLanguageBatch:
        """One packed row per picture, with as many of its conversations as fit."""
        groups = [self.source.encode(self.chat.processor, index, number) for index in examples]
        counts = [[self.chat.feature_count(image) for image in group[0].images] for group in groups]
        heard = [
            [[self.chat.sound_count(sound) for sound in each.sounds] for each in group] for group in groups
        ]
        given = zip(groups, counts, heard, strict=True)
        rows = [pack(group, count, self.data.length, widths) for group, count, widths in given]
        sounds = [
            sound
            for group, row in zip(groups, rows, strict=True)
            # conversations that did not fit are not in their row
            for number in sorted(set(row.branches.tolist()) - {0})
            for sound in group[number - 1].sounds
        ]
        # any of the group would do: they share their pictures
        images = [image for group in groups for image in group[0].images]
        # some tokenizers have no padding; nothing sees it, so that any id will do
        pad = self.chat.processor.tokenizer.pad_token_id or 0
        return VisionLanguageBatch(collate(rows, pad), images, sounds)

    def loss(self, batch: VisionLanguageBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of the answers' tokens."""
        rows, language = batch.rows, self.chat.language_model
        # the table has no negative rows; what it gives for 0 is replaced below
        embeddings = language.get_input_embeddings()(rows.ids.clamp(min=0))  # [B, L, D]
        if batch.images:
            pictures = self.chat.features_of(batch.images)
            embeddings = place(embeddings, rows.ids == IMAGE_INDEX, pictures, "pictures")
        if batch.sounds:
            sounds = self.chat.sound_features_of(batch.sounds)
            embeddings = place(embeddings, rows.ids == AUDIO_INDEX, sounds, "sounds")
        return answer_loss(language, embeddings, rows)

    def show(self, example: int) -> str:
        """The conversations of one picture, with what is learned in colour."""
        group = self.source.encode(self.chat.processor, example, 0)
        return "\n".join(show_supervision(self.chat.processor.tokenizer, encoded) for encoded in group)

    def save(self, folder: Path) -> None:
        """A folder of the model's family."""
        save_chat(self.chat, folder)
