"""A LLaVA that looks at a reference and reads a prompt, and the embedding of the subject it arrives at.

Source: bytedance/MoMA at 1748535. The language model runs once and writes nothing: the last position's state
under the final norm is what is mapped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from PIL import Image as Pictures
from torch import Tensor

from gesso.core.errors import CheckpointError, UsageError
from gesso.models.base import Encoded
from gesso.models.llava.model import LlavaChat
from gesso.models.moma.modules import SubjectMapping
from gesso.models.tokens import PromptTokenizer
from gesso.nn.merge import pad_rows

__all__ = ["SubjectReader", "SubjectWish", "moma_prompt"]

PROMPT: Final = (
    "USER: <image>\n A photo of a {subject}. Describe a new image of the same {subject} in: {prompt}. "
    "ASSISTANT: *"
)
"""The published model was trained with exactly this; behind a prompt that ends in a dot there are two."""


@dataclass(frozen=True, slots=True, eq=False)
class SubjectWish:
    """What a subject is wanted in.

    Attributes:
        picture: the reference, with white in place of its background.
        noun: what the subject is.
        prompt: the new picture, in words.
    """

    picture: Pictures.Image
    noun: str
    prompt: str


def moma_prompt(noun: str, prompt: str) -> str:
    """What the language model is asked."""
    return PROMPT.format(subject=noun, prompt=prompt)


class SubjectReader:
    """MoMA's language model with its mapping.

    Args:
        chat: the LLaVA.
        mapping: of its states.

    Raises:
        CheckpointError: the mapping is for a language model of another width.
    """

    def __init__(self, chat: LlavaChat, mapping: SubjectMapping) -> None:
        width = chat.module.config.get_text_config().hidden_size
        if mapping.gate_proj.in_features != width:
            raise CheckpointError(
                f"the adapter maps states of width {mapping.gate_proj.in_features}, and the language model's "
                f"are {width} wide; use the LLaVA that the adapter was trained with"
            )
        self.chat = chat
        self.mapping = mapping
        self._tokens = PromptTokenizer(chat.processor.tokenizer)

    def encode(self, wish: SubjectWish) -> Encoded:
        """A wish as the language model's input.

        Raises:
            UsageError: noun or prompt hold the placeholder of a picture, or it is too long.
        """
        if "<image>" in f"{wish.noun} {wish.prompt}":
            raise UsageError(
                "the subject or prompt holds <image>, which stands for the reference; leave it out"
            )
        ids = self._tokens.prompt(moma_prompt(wish.noun, wish.prompt))
        tiles = self.chat.processor.prepare(wish.picture, overview_only=False)
        length = len(ids) - 1 + self.chat.feature_count(tiles)
        longest = self.chat.processor.max_length
        if length > longest:
            raise UsageError(
                f"the prompt takes {length} positions with its picture, and the model reads {longest}; "
                "shorten it"
            )
        return Encoded(ids, (False,) * len(ids), (tiles,))

    def states(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        """States of the language model under its final norm, [L_i, H] of each wish."""
        rows = self.chat.embed_rows(encoded)
        embeddings, mask = pad_rows(rows)  # [B, L, H], [B, L]
        # of the right: no position sees what comes after it
        found = self.chat.module.model.language_model(inputs_embeds=embeddings, attention_mask=mask)
        return [states[: len(row)] for states, row in zip(found.last_hidden_state, rows, strict=True)]

    def embed(self, encoded: Sequence[Encoded]) -> Tensor:
        """Embeddings of the subjects of encoded wishes, [B, E]."""
        last = torch.stack([states[-1] for states in self.states(encoded)])  # [B, H]
        embedded: Tensor = self.mapping(last.to(self.mapping.gate_proj.weight))
        return embedded
