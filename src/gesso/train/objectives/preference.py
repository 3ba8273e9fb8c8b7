"""Learning from pairs of answers: direct preference optimisation.

Source: Rafailov et al. 2023 (arXiv 2305.18290), equation 7; length-normalised: Tülu 3 (arXiv 2411.15124),
equation 6. The losses are those of TRL's "sigmoid" and "sft" (huggingface/trl, `DPOTrainer`).

Letters: B pairs, L positions of the longest row, D width, V tokens, n learned positions.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gesso.config.schema import PreferenceSettings, Recipe
from gesso.core.errors import TrainingError
from gesso.core.messages import Message
from gesso.models.base import IGNORE_INDEX, Encoded
from gesso.train.batching import PackedBatch, collate, pack
from gesso.train.objectives.language import show_supervision
from gesso.train.pair_sampling import SampledPairs
from gesso.train.pairs import Pair, PairFile, PairSource
from gesso.train.planners import ConversationEncoder

__all__ = ["PreferenceBatch", "PreferenceObjective", "answer_log_probs", "dpo_loss"]


@dataclass(frozen=True, slots=True)
class PreferenceBatch:
    """Pairs, each packed into one row: the prompt once, behind it both answers.

    Attributes:
        rows: B rows.
        answers: [B, L] which answer a position belongs to: 1 chosen, 2 rejected, 0 both, -1 padding.
    """

    rows: PackedBatch
    answers: Tensor


class PreferenceObjective:
    """A language model that learns to prefer the better of two answers, held to what it starts as.

    Args:
        recipe: the settings.
        model: the language model; a frozen copy of it is the reference.
        tokenizer: its tokenizer.
    """

    def __init__(self, recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.module, self.tokenizer = model, tokenizer
        self.settings = recipe.preference or PreferenceSettings()
        self.reference: PreTrainedModel = copy.deepcopy(model).eval().requires_grad_(False)
        longest = min(recipe.data.length, model.config.get_text_config().max_position_embeddings)
        self.encoder = ConversationEncoder(tokenizer, recipe.model.template, longest)
        self.source: PairSource = (
            PairFile(Path(str(recipe.data.path)))
            if recipe.data.source == "messages"
            else SampledPairs(recipe, self.settings, self.reference, tokenizer, self.encoder)
        )

    @property
    def parts(self) -> Mapping[str, PreTrainedModel]:
        """One part."""
        return {"language": self.module}

    @property
    def examples(self) -> int:
        """Different pairs; samples them, if that has not been done."""
        return len(self.source)

    def batch(self, examples: list[int], number: int) -> PreferenceBatch:
        """One row for each pair."""
        rows = [pack(self._encoded(self.source.pair(index)), []) for index in examples]
        collated = collate(rows, self.tokenizer.pad_token_id or 0)
        answers = torch.full_like(collated.ids, -1)
        for place, row in enumerate(rows):
            answers[place, : len(row.branches)] = torch.from_numpy(row.branches)
        return PreferenceBatch(collated, answers)

    def loss(self, batch: PreferenceBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean loss of the pairs; "accuracy" and "margin" tell how far the better answers are preferred."""
        settings = self.settings
        policy, lengths = answer_log_probs(self.module, batch)  # [B, 2]
        with torch.no_grad():
            self.reference.to(batch.answers.device)  # type: ignore[arg-type]
            reference, _ = answer_log_probs(self.reference, batch)
        scale = lengths if settings.normalise else torch.ones_like(lengths)
        rewards = settings.beta * (policy - reference) / scale
        loss = dpo_loss(rewards).mean()
        if settings.sft:
            loss = loss - settings.sft * policy[:, 0].sum() / lengths[:, 0].sum()
        margins = (rewards[:, 0] - rewards[:, 1]).detach()
        return loss, {
            "tokens": float(lengths.sum()),
            "accuracy": float((margins > 0).float().mean()),
            "margin": float(margins.mean()),
            "chosen": float(rewards[:, 0].detach().mean()),
        }

    def show(self, example: int) -> str:
        """A pair, with what is learned in colour: first the better answer, then the worse one."""
        pair = self.source.pair(example) if isinstance(self.source, PairFile) else self.source.first()
        better, worse = (show_supervision(self.tokenizer, encoded) for encoded in self._encoded(pair))
        return f"chosen\n{better}\nrejected\n{worse}"

    def save(self, folder: Path) -> None:
        """A folder of transformers with its tokenizer."""
        self.module.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _encoded(self, pair: Pair) -> list[Encoded]:
        """Both conversations, of which the last answer alone is learned."""
        return [self._answer([*pair.prompt, answer]) for answer in (pair.chosen, pair.rejected)]

    def _answer(self, messages: list[Message]) -> Encoded:
        encoded = self.encoder.uncut(messages)
        marks, longest = encoded.supervised, self.encoder.longest
        # earlier answers are part of the prompt: the last one begins behind the last token not learned
        begin = max(n for n, learned in enumerate(marks) if learned and (n == 0 or not marks[n - 1]))
        if begin >= longest:
            raise TrainingError(f"a prompt of {begin} tokens leaves no room for its answers; rows and model "
                                f"take {longest}, raise data.length if the model allows it")  # fmt: skip
        learned = (*([False] * begin), *marks[begin:])
        return Encoded(encoded.ids[:longest], learned[:longest])


def dpo_loss(rewards: Tensor) -> Tensor:
    """Loss of each pair, [B]: -log sigmoid(r(chosen) - r(rejected)).

    Args:
        rewards: [B, 2] of the chosen and the rejected answer: beta * (log-probability under the model - that
            under the reference), each over the answer's length for the length-normalised loss.
    """
    return -functional.logsigmoid(rewards[:, 0] - rewards[:, 1])


def answer_log_probs(model: PreTrainedModel, batch: PreferenceBatch) -> tuple[Tensor, Tensor]:
    """Log-probability of each answer, the sum over its tokens, and how many tokens that are; [B, 2] each."""
    rows = batch.rows
    embeddings = model.get_input_embeddings()(rows.ids)  # [B, L, D]
    # an additive mask: eager attention takes no other
    bias = torch.zeros_like(rows.attention, dtype=embeddings.dtype)
    bias = bias.masked_fill(~rows.attention, torch.finfo(embeddings.dtype).min)
    hidden = model.get_decoder()(
        inputs_embeds=embeddings, attention_mask=bias, position_ids=rows.positions, use_cache=False
    ).last_hidden_state  # [B, L, D]
    learned = rows.labels != IGNORE_INDEX
    logits = model.get_output_embeddings()(hidden[learned]).float()  # [B, L, D] -> [n, V]
    log_probs = -functional.cross_entropy(logits, rows.labels[learned], reduction="none")  # [n]
    # a label stands one position before its token, but never before its own branch
    row = torch.arange(len(rows.ids), device=rows.ids.device)[:, None].expand_as(rows.ids)  # [B] -> [B, L]
    place = (2 * row + batch.answers - 1)[learned]  # [n]
    totals = log_probs.new_zeros(2 * len(rows.ids))  # [2B], chosen and rejected in turn
    sums = totals.index_add(0, place, log_probs).view(-1, 2)  # [2B] -> [B, 2]
    counts = totals.index_add(0, place, torch.ones_like(log_probs)).view(-1, 2)
    return sums, counts
