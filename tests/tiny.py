"""Real models and tokenizers at tiny size, for every test that needs one; random weights from a seed."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from gesso.core.messages import Image, Message
from gesso.models.base import IMAGE_INDEX, Encoded, ImageTiles
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.modules import build_module, module_config
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings

CORPUS = (
    "the red fish swims in the sea", "a blue house stands on the meadow", "how many birds are there? three",
    "USER: ASSISTANT: what is at the left?", "你好，世界", "红色的鱼", "canvas = Canvas()",
)  # fmt: skip
IMAGE_POSITIONS = 5
"""Positions one picture takes in `TinyChat`."""


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 320 pieces that can write any text."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def llama(seed: int = 0, *, positions: int = 256) -> LlamaForCausalLM:
    """A language model of two layers for `tokenizer`, with grouped attention.

    Its weights are larger than usual, so that what it says depends on what it was told.
    """
    torch.manual_seed(seed)
    return LlamaForCausalLM(llama_config(positions)).eval()


def llama_config(positions: int = 256) -> LlamaConfig:
    """The settings of `llama`."""
    return LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.4,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )


class TinyChat(nn.Module):
    """A `ChatModel` whose picture features are a linear view of the pixels; counts what it embeds."""

    def __init__(self, seed: int = 0, *, positions: int = 256) -> None:
        super().__init__()
        self._language_model = llama(seed, positions=positions)
        self._project = nn.Linear(3 * 4 * 4, IMAGE_POSITIONS * 32)
        self.embedded: list[Encoded] = []

    @property
    def language_model(self) -> PreTrainedModel:
        return self._language_model

    @property
    def module(self) -> nn.Module:
        return self

    def embed(self, encoded: Encoded) -> Tensor:
        self.embedded.append(encoded)
        images = iter(encoded.images)
        table = self._language_model.get_input_embeddings()
        rows = [
            self._features(next(images)) if token == IMAGE_INDEX else table(torch.tensor([token]))
            for token in encoded.ids
        ]
        return torch.cat(rows)  # [L, D]

    def _features(self, image: ImageTiles) -> Tensor:
        return self._project(image.pixels.flatten()).view(IMAGE_POSITIONS, -1)  # [P, D]


class TinyProcessor:
    """A `Processor` with the simplest template there is; a picture's source is its grey level."""

    def __init__(self) -> None:
        self.tokenizer = tokenizer()

    def encode(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Encoded:
        ids: list[int] = [0]
        images: list[ImageTiles] = []
        for message in messages:
            ids += self.tokenizer.encode(f"{message.role}: ")
            for part in message.parts:
                if isinstance(part, Image):
                    ids.append(IMAGE_INDEX)
                    images.append(ImageTiles(torch.full((1, 3, 4, 4), float(part.source)), (4, 4)))
                else:
                    ids += self.tokenizer.encode(part.text)
            ids.append(1)
        if add_generation_prompt:
            ids += self.tokenizer.encode("assistant: ")
        return Encoded(tuple(ids), (False,) * len(ids), tuple(images))


def llava(seed: int = 0) -> LlavaChat:
    """A LLaVA under the storybook's template: four positions a picture."""
    torch.manual_seed(seed)
    settings = LlavaSettings(
        template="storybook", image_aspect_ratio="square", image_size=28, patch_size=14, max_length=250
    )
    vision = CLIPVisionConfig(**_TOWER, image_size=28, patch_size=14)
    module = build_module(module_config(settings, vision, llama_config())).eval()
    return LlavaChat(module, LlavaProcessor(tokenizer(), settings))


def llava_folder(folder: Path) -> Path:
    """A folder that holds `llava`."""
    llava().save_pretrained(folder)
    return folder


def llama_folder(folder: Path) -> Path:
    """A folder that holds `llama` with its tokenizer."""
    llama().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def clip_folder(folder: Path) -> Path:
    """A folder that holds a CLIP with its tokenizer."""
    torch.manual_seed(0)
    text = {**_TOWER, "vocab_size": len(tokenizer()), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    config = CLIPConfig(text_config=text, vision_config={**_TOWER, "image_size": 28, "patch_size": 14})
    CLIPModel(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


_TOWER = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.4,
}


def prompts(*lengths: int, seed: int = 0) -> list[Tensor]:
    """Random prompt embeddings of the given lengths for `llama`, [L, D] each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, 32, generator=generator) for length in lengths]


def write_checkpoint(folder: Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> Path:
    """A folder with the tiny tokenizer; an entry that is `...` is left out of the config."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))
    tokenizer().save_pretrained(folder)
    if tensors:
        save_file(tensors, folder / "model.safetensors")
    return folder
