"""Which words are spoken: connectionist temporal classification (CTC, Graves et al. 2006) over tokens.

Alignment comes with this loss, so an encoder learns to hear long before a language model could tell it what
it got wrong. The classifier is the language model's own table of embeddings and one row for silence, so what
the encoder says of a word lies near that word's embedding, where the language model looks for it next.

Small encoders spend most of their time on finding out which stretch of a sound a word is. Speech goes on at
an almost even pace, so words are expected where their letters lie in the text; how far from there they are
heard costs the square of the distance, a prior over alignments that leaves the rest to the loss.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from gesso.config.schema import Recipe
from gesso.storybook.spoken import Utterance
from gesso.train.megrez import load_or_assemble
from gesso.train.saving import save_chat
from gesso.train.spoken import augmented, speech_of

__all__ = ["SpeechBatch", "SpeechHead", "SpeechObjective"]


SPREAD: Final = 6.0
"""Positions (of 40 ms) that a word is heard before or after where it is expected: the prior's deviation."""

UNSAID: Final = -1

AFTER: Final = {"en": 7, "zh": 3}
"""Positions of silence behind what espeak-ng says."""


@dataclass(frozen=True, slots=True)
class SpeechBatch:
    """Sounds and what is said in them.

    Attributes:
        features: [M, C_i] each.
        frames: how many each sound fills.
        tokens: [B, n] that are said, `UNSAID` behind the last of a sound.
        expected: [B, n] shares of the sound before the middle of each, 0 there.
    """

    features: list[Tensor]
    frames: list[int]
    tokens: Tensor
    expected: Tensor


class SpeechHead(nn.Module):
    """The row for silence, how likely it is, and how far apart words are; in training only, never shipped.

    Letters: K positions of a sound, D width, V tokens.
    """

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.silence = nn.Parameter(torch.randn(1, table.shape[1]) * table.std())
        # a vector of a word's own length then scores some five above the others
        self.scale = nn.Parameter((5 / table.square().sum(-1).mean()).log())
        # most of a sound is no new word: without this, hundreds of steps go into finding that out
        self.bias = nn.Parameter(torch.full((1,), math.log(len(table)) + 2))

    def forward(self, heard: Tensor, table: Tensor) -> Tensor:
        """Logits with silence last, [K, D] and [V, D] -> [K, V + 1]."""
        words, silence = heard @ table.T, heard @ self.silence.T  # [K, V], [K, 1]
        return torch.cat([words * self.scale.exp(), silence * self.scale.exp() + self.bias], -1)


class SpeechObjective:
    """The audio encoder of a Megrez; all else is frozen."""

    def __init__(self, recipe: Recipe) -> None:
        self.chat = load_or_assemble(recipe)
        self.head = SpeechHead(self.table)
        self.module = nn.ModuleDict({"chat": self.chat.module, "head": self.head})
        self.data = recipe.data
        self.store = speech_of(recipe.data, self.chat)

    @property
    def table(self) -> Tensor:
        """What the language model says each token is, [V, D], wherever the model is by now."""
        module: Any = self.chat.module
        table: Tensor = module.get_input_embeddings().weight.detach()
        return table

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The encoder, and what stands behind it."""
        ours = self.chat.parts
        behind = nn.ModuleList([ours["audio_projector"], self.head])
        return {"audio": ours["audio"], "audio_projector": behind}

    @property
    def examples(self) -> int:
        """Scenes that are spoken about."""
        return len(self.store)

    def batch(self, examples: list[int], number: int) -> SpeechBatch:
        """All that is said about some scenes."""
        features, tokens, expected = [], [], []
        for index in examples:
            rng = Random(f"{self.data.seed}/{number}/{index}")
            for said, columns in self.store.utterances(index):
                features.append(augmented(columns, rng))
                found = self._tokens(said)
                tokens.append(torch.tensor(found))
                spoken = 1 - AFTER[said.language] * 4 / columns.shape[1]  # four columns a position
                expected.append(self._middles(found) * spoken)
        frames = [each.shape[1] // 2 for each in features]
        laid = pad_sequence(tokens, batch_first=True, padding_value=UNSAID)  # [n_i] each -> [B, n]
        return SpeechBatch(features, frames, laid, pad_sequence(expected, batch_first=True))

    def loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean CTC loss per token said, and the share of sounds whose likeliest tokens are right."""
        module: Any = self.chat.module
        spans = module.sound_features(batch.features, batch.frames)
        # without begin and end: [2 + K_i, D] each -> [N, D] of all sounds, one behind the other
        heard = torch.cat([span[1:-1] for span in spans])
        lengths = torch.tensor([len(span) - 2 for span in spans], device=heard.device)
        said = batch.tokens != UNSAID
        scores = functional.log_softmax(self.head(heard.float(), self.table.float()), -1)  # [N, V + 1]
        blank = scores.shape[1] - 1
        likely = scores[_places(lengths)] + _prior(batch, lengths, blank + 1)  # [K, B, V + 1]
        counts = said.sum(1)
        loss = functional.ctc_loss(
            likely, batch.tokens[said], lengths, counts, blank, "sum", zero_infinity=True
        )
        best = scores.detach().argmax(-1).cpu().split(lengths.tolist())
        pairs = zip(best, batch.tokens.tolist(), strict=True)
        right = sum(_collapsed(each, blank) == [t for t in wanted if t != UNSAID] for each, wanted in pairs)
        total = int(counts.sum())
        return loss / total, {"tokens": total, "right": right / len(best)}

    def show(self, example: int) -> str:
        """What is said about a scene."""
        return "\n".join(f"[green]{said.text}[/green]" for said, _ in self.store.utterances(example))

    def save(self, folder: Path) -> None:
        """A Megrez folder."""
        save_chat(self.chat, folder)

    def _middles(self, tokens: list[int]) -> Tensor:
        """Where the middle of each token lies among the bytes of all of them, 0 to 1, [n]."""
        # a byte-level vocabulary writes one character for each byte
        pieces = self.chat.processor.tokenizer.convert_ids_to_tokens(tokens)
        widths = torch.tensor([len(piece) for piece in pieces])
        return (widths.cumsum(0) - widths / 2) / widths.sum()

    def _tokens(self, said: Utterance) -> list[int]:
        found: list[int] = self.chat.processor.tokenizer(said.text, add_special_tokens=False).input_ids
        return found


def _prior(batch: SpeechBatch, lengths: Tensor, columns: int) -> Tensor:
    """Logarithms of how likely each token is where, up to a constant, [K, B, V + 1]; 0 if it is not said."""
    places = torch.arange(int(lengths.max()), device=lengths.device)[:, None, None]  # [K, 1, 1]
    at = places - batch.expected * lengths[:, None]  # [K, B, n]
    costs = -0.5 * (at / SPREAD).square()
    # one column more, for what is unsaid
    index = torch.where(batch.tokens == UNSAID, columns, batch.tokens).expand(len(places), -1, -1)
    prior = costs.new_zeros(*costs.shape[:2], columns + 1)
    # a token that is said twice is likely at both places
    return prior.scatter_reduce(2, index, costs, "amax", include_self=False)[..., :columns]


def _places(lengths: Tensor) -> Tensor:
    """Rows of sounds that lie one behind the other, as columns of a padded batch, [B] -> [K, B].

    A gather, since the backward pass of `pad_sequence` copies the whole batch once for each sound.
    """
    starts = lengths.cumsum(0) - lengths
    places = torch.arange(int(lengths.max()), device=lengths.device)
    inside = places[:, None].expand(-1, len(lengths))  # [K, B]
    # behind a sound its last row stands again, which the loss does not look at
    return starts + torch.minimum(inside, lengths - 1)


def _collapsed(best: Tensor, blank: int) -> list[int]:
    """Tokens of [K], repetitions and silence left out."""
    return [token for token in torch.unique_consecutive(best).tolist() if token != blank]
