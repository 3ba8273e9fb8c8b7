"""Which words are spoken: connectionist temporal classification (CTC, Graves et al. 2006) over tokens.

Alignment comes with this loss, so an encoder learns to hear long before a language model could tell it what
it got wrong. The classifier is the language model's own table of embeddings and one row for silence, so what
the encoder says of a word lies near that word's embedding, where the language model looks for it next.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.config.schema import Recipe
from gesso.train.megrez import load_or_assemble
from gesso.train.saving import save_chat
from gesso.train.speech_store import Utterance
from gesso.train.spoken import augmented, speech_of

__all__ = ["SpeechBatch", "SpeechHead", "SpeechObjective"]


@dataclass(frozen=True, slots=True)
class SpeechBatch:
    """Features [M, C_i] of sounds, the frames they fill, and the tokens [n_i] that are said."""

    features: list[Tensor]
    frames: list[int]
    tokens: list[Tensor]


class SpeechHead(nn.Module):
    """The row for silence, how likely it is, and how far apart words are; used in training only, never shipped.

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
        module: Any = self.chat.module
        self.table: Tensor = module.get_input_embeddings().weight.detach()  # [V, D]
        self.head = SpeechHead(self.table)
        self.module = nn.ModuleDict({"chat": module, "head": self.head})
        self.data = recipe.data
        self.store = speech_of(recipe.data, self.chat)

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
        features, tokens = [], []
        for index in examples:
            rng = Random(f"{self.data.seed}/{number}/{index}")
            for said, columns in self.store.utterances(index):
                features.append(augmented(columns, rng))
                tokens.append(torch.tensor(self._tokens(said)))
        frames = [each.shape[1] // 2 for each in features]
        return SpeechBatch(features, frames, tokens)

    def loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean CTC loss per token said, and the share of sounds whose likeliest tokens are right."""
        module: Any = self.chat.module
        spans = module.sound_features(batch.features, batch.frames)
        lengths = torch.tensor([len(span) - 2 for span in spans])
        counts = torch.tensor([len(each) for each in batch.tokens])
        # without begin and end: [2 + K_i, D] each -> [N, D] of all sounds, one behind the other
        heard = torch.cat([span[1:-1] for span in spans])
        scores = functional.log_softmax(self.head(heard.float(), self.table.float()), -1)  # [N, V + 1]
        blank = scores.shape[1] - 1
        loss = functional.ctc_loss(
            scores[_places(lengths)], torch.cat(batch.tokens), lengths, counts, blank, "sum", zero_infinity=True
        )
        best = scores.detach().argmax(-1).split(lengths.tolist())
        pairs = zip(best, batch.tokens, strict=True)
        right = sum(_collapsed(each, blank) == wanted.tolist() for each, wanted in pairs)
        total = int(counts.sum())
        return loss / total, {"tokens": total, "right": right / len(best)}

    def show(self, example: int) -> str:
        """What is said about a scene."""
        return "\n".join(f"[green]{said.text}[/green]" for said, _ in self.store.utterances(example))

    def save(self, folder: Path) -> None:
        """A Megrez folder."""
        save_chat(self.chat, folder)

    def _tokens(self, said: Utterance) -> list[int]:
        found: list[int] = self.chat.processor.tokenizer(said.text, add_special_tokens=False).input_ids
        return found


def _places(lengths: Tensor) -> Tensor:
    """Rows of sounds that lie one behind the other, as columns of a padded batch, [B] -> [K, B].

    A gather, since the backward pass of `pad_sequence` copies the whole batch once for each sound.
    """
    starts = lengths.cumsum(0) - lengths
    inside = torch.arange(int(lengths.max()))[:, None].expand(-1, len(lengths))  # [K, B]
    # behind a sound its last row stands again, which the loss does not look at
    return starts + torch.minimum(inside, lengths - 1)


def _collapsed(best: Tensor, blank: int) -> list[int]:
    """Tokens of [K], repetitions and silence left out."""
    return [token for token in torch.unique_consecutive(best).tolist() if token != blank]


