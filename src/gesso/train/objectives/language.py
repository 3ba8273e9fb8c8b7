"""Next-token prediction: over whole texts, or over answers about pictures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.models.base import IGNORE_INDEX, Encoded
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.storybook.splits import scene_at
from gesso.train.batching import PackedBatch, PackedRow, collate, concatenate, pack
from gesso.train.objectives.sizes import sizes_of
from gesso.train.texts import text_conversations

__all__ = ["LanguageObjective", "answer_loss"]


class LanguageObjective:
    """A language model over storybook texts: descriptions, questions about them, canvas programs, edits.

    Rows are filled with whole conversations side by side, none seeing another.
    """

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
        self.data, self.tokenizer = recipe.data, tokenizer
        sizes = sizes_of(recipe, "language", LlamaConfig)
        self.module: PreTrainedModel = LlamaForCausalLM(
            LlamaConfig(
                **sizes,
                vocab_size=len(tokenizer),
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                tie_word_embeddings=True,
            )
        )
        self.module.set_attn_implementation(recipe.model.attention)
        settings = LlavaSettings(
            template=recipe.model.template or "storybook", max_length=sizes["max_position_embeddings"]
        )
        self.processor = LlavaProcessor(tokenizer, settings)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """One part."""
        return {"language": self.module}

    @property
    def examples(self) -> int:
        """Different scenes."""
        return self.data.count

    def batch(self, examples: list[int], number: int) -> PackedBatch:
        """One row per example, each filled with conversations about scenes from the example's on."""
        rows = [self._row(index, Random(f"{self.data.seed}/{number}/{index}")) for index in examples]
        return collate(rows, self.tokenizer.pad_token_id)

    def loss(self, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of all tokens but the first of each conversation."""
        return answer_loss(self.module, self.module.get_input_embeddings()(batch.ids), batch)

    def show(self, example: int) -> str:
        """The first conversation of an example; all of it is learned."""
        encoded = next(self._conversations(example, Random(f"{self.data.seed}/0/{example}")))
        return f"[green]{self.tokenizer.decode(list(encoded.ids))}[/green]"

    def save(self, folder: Path) -> None:
        """A Llama folder with its tokenizer."""
        self.module.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _row(self, index: int, rng: Random) -> PackedRow:
        rows: list[PackedRow] = []
        room = self.data.length
        for encoded in self._conversations(index, rng):
            if len(encoded.ids) > room:
                break
            rows.append(pack([encoded], []))
            room -= len(encoded.ids)
        return concatenate(rows)

    def _conversations(self, index: int, rng: Random) -> Iterator[Encoded]:
        """Endless conversations about scenes index, index + examples, ...; longer ones than a row are cut."""
        while True:
            language = "zh" if rng.random() < self.data.chinese else "en"
            scene = scene_at("train", self.data.seed, index)
            for messages in text_conversations(scene, rng, language):
                ids = self.processor.encode_group([messages])[0].ids[: self.data.length]
                yield Encoded(ids, (False,) + (True,) * (len(ids) - 1))
            index += self.data.count


def answer_loss(
    model: PreTrainedModel, embeddings: Tensor, batch: PackedBatch
) -> tuple[Tensor, dict[str, float]]:
    """Mean cross-entropy over the labelled positions; logits are computed for those alone.

    Args:
        model: a causal language model.
        embeddings: [B, L, D] of the batch's tokens and pictures.
        batch: labels, positions and attention.
    """
    # an additive mask: eager attention takes no other
    bias = torch.zeros_like(batch.attention, dtype=embeddings.dtype)
    bias = bias.masked_fill(~batch.attention, torch.finfo(embeddings.dtype).min)
    hidden = model.get_decoder()(
        inputs_embeds=embeddings,
        attention_mask=bias,
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state  # [B, L, D]
    learned = batch.labels != IGNORE_INDEX
    logits = model.get_output_embeddings()(hidden[learned]).float()  # [B, L, D] -> [n, V]
    labels = batch.labels[learned]
    loss = functional.cross_entropy(logits, labels)
    with torch.no_grad():
        right = (logits.argmax(-1) == labels).float().mean()
    return loss, {"tokens": len(labels), "right": float(right)}
