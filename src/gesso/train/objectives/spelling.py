"""A language model learns to spell what one token of a picture says, before it has to find the token.

Reading a sign takes two skills, each useless without the other: to find the token that shows it, and to take
one letter after another out of that token. On whole pictures neither begins (docs/experiments.md, mini-mgm).
Here a conversation has a single token as its picture, that of a sign, so only spelling is left to learn; and
since a sheet has a dozen signs and a conversation is short, a step has a hundred of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from PIL import Image as Pictures
from rich.markup import escape
from torch import Tensor, nn

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.core.messages import Image, Message, assistant, user
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX
from gesso.storybook.ask import sign_questions
from gesso.storybook.scene import SIGN_CHARACTERS
from gesso.storybook.splits import scene_at
from gesso.train.batching import PackedBatch, collate, pack
from gesso.train.mgm import build_mgm
from gesso.train.objectives.language import answer_loss
from gesso.train.objectives.signs import NO_SIGN, SignsObjective, sheet_pictures
from gesso.train.saving import save_chat

__all__ = ["SpellingBatch", "SpellingObjective"]

PER_SHEET: Final = 8
"""Tokens of a sheet that are spelled."""


@dataclass(frozen=True, slots=True)
class SpellingBatch:
    """What one step learns from.

    Attributes:
        pixels: [B, 3, H, H] of the sheets.
        places: [S, 2] sheet and token of each conversation.
        rows: the conversations, one a row, each with one position for its picture.
    """

    pixels: Tensor
    places: Tensor
    rows: PackedBatch


class SpellingObjective(SignsObjective):
    """Projector and adapters of a Mini-Gemini's language model.

    Letters: B sheets, N tokens of one, S conversations, L positions of the longest, D width.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.lora is None:
            raise ConfigError("lora is missing; the language model learns to spell by adapters, as in "
                              "mini/mgm-spelling")  # fmt: skip
        self.pictures = sheet_pictures(recipe)
        self.chat = build_mgm(recipe)
        self.module = self.chat.module
        self.data = recipe.data
        # a picture's content does not matter: its one token comes from a sheet
        self._blank = Image(Pictures.new("RGB", (8, 8)))

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """Of the model; towers and mining of details come from the stages before."""
        return self.chat.parts

    def batch(self, examples: list[int], number: int) -> Any:
        """Sheets, and a question with its answer for some tokens of each."""
        sheets = super().batch(examples, number)
        rng = Random(f"{self.data.seed}/{number}/{examples}")
        told = (sheets.targets[..., 0] != NO_SIGN).nonzero().tolist()  # [n, 2]
        chosen = sorted(rng.sample(told, min(len(told), PER_SHEET * len(examples))))
        pairs = [self._pair(sheets.targets[row, token].tolist(), rng) for row, token in chosen]
        rows = [pack([each], [1]) for each in self.chat.processor.encode_group(pairs)]
        # some tokenizers have no padding; nothing sees it, so that any id will do
        pad = self.chat.processor.tokenizer.pad_token_id or 0
        return SpellingBatch(sheets.pixels, torch.tensor(chosen), collate(rows, pad))

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of the answers' tokens."""
        inner: Any = self.chat.module
        tokens = torch.stack(inner.model.get_image_features(batch.pixels).pooler_output)  # [B, N, D]
        language = self.chat.language_model
        embeddings = language.get_input_embeddings()(batch.rows.ids.clamp(min=0))  # [S, L, D]
        shown = tokens[batch.places[:, 0], batch.places[:, 1]]  # [S, D]
        here = (batch.rows.ids == IMAGE_INDEX)[..., None]  # [S, L, 1]
        embeddings = torch.where(here, shown[:, None], embeddings.to(shown.dtype))
        return answer_loss(language, embeddings, batch.rows)

    def show(self, example: int) -> str:
        """The conversations of one sheet, with what is learned in colour."""
        sheet = self.batch([example], 0)
        tokenizer = self.chat.processor.tokenizer
        learned = [row[row != IGNORE_INDEX] for row in sheet.rows.labels]
        return "\n".join(f"[green]{escape(tokenizer.decode(row))}[/green]" for row in learned)

    def save(self, folder: Path) -> None:
        """A Mini-Gemini."""
        save_chat(self.chat, folder)

    def _pair(self, classes: list[int], rng: Random) -> tuple[Message, Message]:
        """A question about the sign of some thing, and what the sign says."""
        language = "zh" if rng.random() < self.data.chinese else "en"
        scene = scene_at("train", self.data.seed, rng.randrange(self.pictures.count), sign_rate=1)
        asked = rng.choice(sign_questions(scene, language, rng))
        sign = "".join(SIGN_CHARACTERS[each - 1] for each in classes if each)
        return user(self._blank, asked.question), assistant(sign)
