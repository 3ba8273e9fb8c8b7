"""LLaVA's instruction tuning: answers about pictures (arXiv 2304.08485, section 4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.models.base import IMAGE_INDEX
from gesso.models.llava.model import LlavaChat
from gesso.train.batching import PackedBatch, collate, pack
from gesso.train.conversations import ConversationSource
from gesso.train.objectives.language import answer_loss, show_supervision

__all__ = ["VisionLanguageBatch", "VisionLanguageObjective"]


@dataclass(frozen=True, slots=True)
class VisionLanguageBatch:
    """Packed rows, and their pictures in order: tiles [T, 3, S, S] and sizes (width, height) of each."""

    rows: PackedBatch
    tiles: list[Tensor]
    sizes: list[tuple[int, int]]


class VisionLanguageObjective:
    """Answers given a picture and a question.

    All conversations about one picture are packed behind it (see `train.batching.pack`), so the tower and
    the shared prefix are computed once, and each conversation trains as if it were alone.
    """

    def __init__(self, chat: LlavaChat, source: ConversationSource, data: DataSettings) -> None:
        self.chat, self.source, self.data = chat, source, data

    @property
    def module(self) -> nn.Module:
        """The whole LLaVA."""
        return self.chat.module

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """Tower, projector and language model have rates of their own."""
        return self.chat.parts

    @property
    def examples(self) -> int:
        """Different pictures."""
        return len(self.source)

    def batch(self, examples: list[int], number: int) -> VisionLanguageBatch:
        """One packed row per picture, with as many of its conversations as fit."""
        groups = [self.source.encode(self.chat.processor, index, number) for index in examples]
        counts = [[self.chat.feature_count(image) for image in group[0].images] for group in groups]
        rows = [pack(group, count, self.data.length) for group, count in zip(groups, counts, strict=True)]
        # any of the group would do: they share their pictures
        images = [image for group in groups for image in group[0].images]
        return VisionLanguageBatch(
            collate(rows, self.chat.processor.tokenizer.pad_token_id),
            [image.pixels for image in images],
            [image.size for image in images],
        )

    def loss(self, batch: VisionLanguageBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of the answers' tokens."""
        rows, language = batch.rows, self.chat.language_model
        pictured = rows.ids == IMAGE_INDEX  # [B, L]
        # the table has no row -200; what it gives for 0 is replaced below
        embeddings = language.get_input_embeddings()(rows.ids.masked_fill(pictured, 0))  # [B, L, D]
        if batch.tiles:
            # [N_i, D] of each picture -> [sum of N_i, D], in the order their positions have in the batch
            features = torch.cat(self.chat.image_features(batch.tiles, batch.sizes))
            # masked_scatter takes a longer source without a word, and all later pictures would be shifted
            if len(features) != (places := int(pictured.sum())):
                raise TrainingError(f"{len(batch.tiles)} pictures have {len(features)} features for {places} "
                                    "positions; feature_count and image_features must agree")  # fmt: skip
            # the projector gives bf16 under autocast, the table float32; filled row by row, [B, L, D]
            embeddings = embeddings.to(features.dtype).masked_scatter(pictured[..., None], features)
        return answer_loss(language, embeddings, rows)

    def show(self, example: int) -> str:
        """The conversations of one picture, with what is learned in colour."""
        group = self.source.encode(self.chat.processor, example, 0)
        return "\n".join(show_supervision(self.chat.processor.tokenizer, encoded) for encoded in group)

    def save(self, folder: Path) -> None:
        """A LLaVA folder."""
        self.chat.save_pretrained(folder)
