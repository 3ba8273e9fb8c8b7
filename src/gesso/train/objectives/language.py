"""Next-token prediction: over whole texts, or over answers about pictures."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX, Encoded
from gesso.models.causal import load_language_model
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.nn.recall_init import start_recalling
from gesso.storybook.splits import scene_at
from gesso.train.batching import PackedBatch, collate, pack
from gesso.train.objectives.sizes import sizes_of
from gesso.train.texts import text_conversations

__all__ = ["LanguageObjective", "answer_loss", "show_supervision"]


class LanguageObjective:
    """A language model that answers from storybook descriptions, edits them and plans canvases.

    Descriptions themselves are random, so only answers are learned: all of them follow from what was read.
    """

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
        self.data, self.tokenizer = recipe.data, tokenizer
        self.module: PreTrainedModel = _language_model(recipe, tokenizer)
        self.module.set_attn_implementation(recipe.model.attention)
        longest = self.module.config.max_position_embeddings
        # a LLaVA's processor: the model learns on the very ids that it will get as half of a LLaVA
        settings = LlavaSettings(template=recipe.model.template or "storybook", max_length=longest)
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
        """One row per scene: its description, and behind it as many tasks as fit."""
        groups = [self._encode(index, Random(f"{self.data.seed}/{number}/{index}")) for index in examples]
        return collate([pack(group, [], self.data.length) for group in groups], self.tokenizer.pad_token_id)

    def loss(self, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of the answers' tokens."""
        return answer_loss(self.module, self.module.get_input_embeddings()(batch.ids), batch)

    def show(self, example: int) -> str:
        """The conversations of a scene, with what is learned in colour."""
        group = self._encode(example, Random(f"{self.data.seed}/0/{example}"))
        return "\n".join(show_supervision(self.tokenizer, encoded) for encoded in group)

    def save(self, folder: Path) -> None:
        """A Llama folder with its tokenizer."""
        self.module.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _encode(self, index: int, rng: Random) -> list[Encoded]:
        """Conversations about scene `index`, cut to a row."""
        language = "zh" if rng.random() < self.data.chinese else "en"
        scene = scene_at("train", self.data.seed, index, counts=range(1, self.data.things + 1))
        group = self.processor.encode_group(text_conversations(scene, rng, language))
        length = self.data.length
        return [Encoded(encoded.ids[:length], encoded.supervised[:length]) for encoded in group]


def _language_model(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    if recipe.model.init is not None:
        # a folder may hold half precision, in which AdamW's small steps are rounded away
        return load_language_model(Path(recipe.model.init))
    config = LlamaConfig(
        **sizes_of(recipe, "language", LlamaConfig),
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        # one table for reading and writing: in a model this small a second one would be much of its weight
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    start_recalling(model)
    return model


def answer_loss(
    model: PreTrainedModel, embeddings: Tensor, batch: PackedBatch
) -> tuple[Tensor, dict[str, float]]:
    """Mean cross-entropy over the labelled positions, 0 without any; logits are computed for those alone.

    Args:
        model: a causal language model.
        embeddings: [B, L, D] of the batch's tokens and pictures.
        batch: labels, positions and attention.
    """
    # an additive mask: eager attention takes no other
    bias = torch.zeros_like(batch.attention, dtype=embeddings.dtype)  # [B, 1, L, L]
    bias = bias.masked_fill(~batch.attention, torch.finfo(embeddings.dtype).min)
    # the decoder alone: logits at every position are the largest tensor of the step, and most predict nothing
    hidden = model.get_decoder()(
        inputs_embeds=embeddings,
        attention_mask=bias,
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state  # [B, L, D]
    learned = batch.labels != IGNORE_INDEX
    logits = model.get_output_embeddings()(hidden[learned]).float()  # [B, L, D] -> [n, V]
    labels = batch.labels[learned]
    # conversations that were cut before their answers leave nothing to learn: a loss of 0, not 0 / 0
    count = max(1, len(labels))
    loss = functional.cross_entropy(logits, labels, reduction="sum") / count
    with torch.no_grad():
        right = (logits.argmax(-1) == labels).sum() / count
    return loss, {"tokens": len(labels), "right": float(right)}


def show_supervision(tokenizer: PreTrainedTokenizerBase, encoded: Encoded) -> str:
    """A conversation as rich markup: green is learned, dim is only read."""
    pieces: list[str] = []
    for token, learned in zip(encoded.ids, encoded.supervised, strict=True):
        text = "<image>" if token == IMAGE_INDEX else str(tokenizer.decode([token]))
        safe = text.replace("[", r"\[").replace("\n", "\\n\n")
        pieces.append(f"[green]{safe}[/green]" if learned else f"[dim]{safe}[/dim]")
    return "".join(pieces)
