"""Supervised fine-tuning of planners: canvas programs for wishes, and new programs for edits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.engines.builders import GIVES
from gesso.models.base import Encoded
from gesso.train.batching import PackedBatch, PackedRow, collate, pack
from gesso.train.objectives.language import answer_loss, show_supervision
from gesso.train.planners import ConversationEncoder
from gesso.train.plans import PlanSource

__all__ = ["PlanningObjective", "fill_rows"]


class PlanningObjective:
    """A language model that writes canvas programs.

    Only answers are learned, those of all turns, each behind all that was said before it.

    Args:
        recipe: the settings.
        model: the language model.
        tokenizer: its tokenizer.
        source: the conversations.
    """

    def __init__(
        self, recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: PlanSource
    ) -> None:
        self.module, self.tokenizer, self.source = model, tokenizer, source
        longest = min(recipe.data.length, model.config.get_text_config().max_position_embeddings)
        self.encoder = ConversationEncoder(tokenizer, recipe.model.template, longest)
        self._length = recipe.data.length

    @property
    def parts(self) -> Mapping[str, PreTrainedModel]:
        """One part."""
        return {"language": self.module}

    @property
    def examples(self) -> int:
        """Different conversations."""
        return len(self.source)

    def batch(self, examples: list[int], number: int) -> PackedBatch:
        """The conversations, side by side in as few rows as they fit into."""
        encoded = [self.encoder.whole(self.source.messages(index, number)) for index in examples]
        return collate(fill_rows(encoded, self._length), self.tokenizer.pad_token_id or 0)

    def loss(self, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of the answers' tokens."""
        return answer_loss(self.module, self.module.get_input_embeddings()(batch.ids), batch)

    def show(self, example: int) -> str:
        """A conversation, with what is learned in colour."""
        return show_supervision(self.tokenizer, self.encoder.whole(self.source.messages(example, 0)))

    def save(self, folder: Path) -> None:
        """A folder of transformers with its tokenizer; its config says that it is a planner."""
        # kept by transformers in all that is trained on from here, so preference recipes need not say it
        setattr(self.module.config, GIVES, "canvas")
        self.module.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def fill_rows(conversations: Sequence[Encoded], length: int) -> list[PackedRow]:
    """Pack conversations into rows, the longest first, each into the first row that has room for it.

    Each trains as if it stood alone: `batching.pack` lets it see only itself and what all begin with.

    Args:
        conversations: without pictures, none longer than a row.
        length: positions of a row.
    """
    rows: list[list[Encoded]] = []
    used: list[int] = []
    for conversation in sorted(conversations, key=lambda c: -len(c.ids)):
        size = len(conversation.ids)
        place = next((n for n, taken in enumerate(used) if taken + size <= length), len(rows))
        if place == len(rows):
            rows.append([])
            used.append(0)
        rows[place].append(conversation)
        used[place] += size
    return [pack(row, []) for row in rows]
