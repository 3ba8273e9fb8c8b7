"""What a model family offers to engines, trainer and evaluator.

A family has a processor (messages -> `Encoded`) and a model (`Encoded` -> prompt embeddings of a causal
language model). Everything above works on these two alone, so it need not know the family.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gesso.core.messages import Message
from gesso.nn.merge import AUDIO_INDEX, IGNORE_INDEX, IMAGE_INDEX, MEDIA

__all__ = [
    "AUDIO_INDEX", "IGNORE_INDEX", "IMAGE_INDEX", "MEDIA", "SETTINGS_KEY", "ChatModel", "Encoded",
    "ImageTiles", "Processor", "SoundClip",
]  # fmt: skip

SETTINGS_KEY: Final = "gesso"
"""Where a saved config keeps the settings of a family that transformers has no names for."""


@dataclass(frozen=True, slots=True)
class ImageTiles:
    """One picture as a vision tower takes it.

    Attributes:
        pixels: [T, 3, S, S]; the overview first, then AnyRes tiles row by row; T = 1 without AnyRes. In
            float32 as the processor makes them; models cast them.
        size: (width, height) of the original picture in pixels.
    """

    pixels: Tensor
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SoundClip:
    """One sound as an audio encoder takes it.

    Attributes:
        features: [M, C] log-mel bands over time, padded to the longest sound that the encoder takes.
        frames: how many of the encoder's frames the sound itself fills.
    """

    features: Tensor
    frames: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """One conversation as model inputs.

    Attributes:
        ids: token ids; `IMAGE_INDEX` stands once for each picture, or for each slice of one where a family
            has text between them, and `AUDIO_INDEX` once for each sound.
        supervised: for each id, whether training learns to predict it.
        images: the pictures, one per `IMAGE_INDEX`, in order.
        sounds: the sounds, one per `AUDIO_INDEX`, in order.
    """

    ids: tuple[int, ...]
    supervised: tuple[bool, ...]
    images: tuple[ImageTiles, ...] = field(default=())
    sounds: tuple[SoundClip, ...] = field(default=())


class Processor(Protocol):
    """Turns messages into model inputs under the family's own template."""

    tokenizer: PreTrainedTokenizerBase

    def encode(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Encoded:
        """Encode a conversation; with a generation prompt it ends where the assistant is to speak.

        Assistant turns (with their end tokens) are marked as supervised.
        """
        ...


class ChatModel(Protocol):
    """A causal language model that takes `Encoded` prompts."""

    @property
    def language_model(self) -> PreTrainedModel:
        """The causal language model; takes `inputs_embeds` [B, L, D], gives logits [B, L, V]."""
        ...

    @property
    def module(self) -> nn.Module:
        """The whole model, for saving, moving and training."""
        ...

    def embed(self, encoded: Encoded) -> Tensor:
        """Prompt embeddings [L, D]: token embeddings, with features where pictures and sounds stand."""
        ...
