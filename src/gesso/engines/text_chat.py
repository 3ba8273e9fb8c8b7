"""A language model alone as a chat model."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gesso.core.errors import UnsupportedError
from gesso.core.messages import Message, Text
from gesso.models.base import Encoded, Processor

__all__ = ["TextChat", "TextProcessor"]


class TextChat:
    """A causal language model without eyes or ears.

    Args:
        language_model: any causal language model of transformers.
    """

    def __init__(self, language_model: PreTrainedModel) -> None:
        self._language_model = language_model

    @property
    def language_model(self) -> PreTrainedModel:
        """The language model."""
        return self._language_model

    @property
    def module(self) -> PreTrainedModel:
        """The same: there is nothing else."""
        return self._language_model

    def embed(self, encoded: Encoded) -> Tensor:
        """Token embeddings [L, D]."""
        table = self._language_model.get_input_embeddings()
        # [L] -> [L, D]
        embeddings: Tensor = table(torch.tensor(encoded.ids, device=self._language_model.device))
        return embeddings


class TextProcessor:
    """A processor that lets through nothing but text.

    Args:
        inner: what encodes the text.
    """

    def __init__(self, inner: Processor) -> None:
        self.tokenizer = inner.tokenizer
        self._inner = inner

    def encode(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Encoded:
        """Encode a conversation, as the inner processor does.

        Raises:
            UnsupportedError: a message holds something else than text.
        """
        for part in (part for message in messages for part in message.parts):
            if not isinstance(part, Text):
                name = type(part).__name__
                raise UnsupportedError(f"a part of type {name} for a model that reads text alone; "
                                       "leave it out or choose another model")  # fmt: skip
        return self._inner.encode(messages, add_generation_prompt=add_generation_prompt)
