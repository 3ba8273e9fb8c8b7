"""A tiny LLaVA on disk, and recipes that make a Megrez of it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPVisionConfig, LlamaConfig, PreTrainedTokenizerFast

from gesso.config.load import build
from gesso.config.schema import Recipe
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.modules import build_module, module_config
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings

SIZES = {"hidden_size": 128, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
AUDIO = {
    "num_mel_bins": 8, "max_source_positions": 100, "d_model": 16, "encoder_layers": 1,
    "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "activation_function": "gelu",
}  # fmt: skip


def llava_folder(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    torch.manual_seed(0)
    settings = LlavaSettings(image_size=32, patch_size=8, template="storybook", max_length=2048)
    text = LlamaConfig(**SIZES, vocab_size=len(tokenizer), tie_word_embeddings=True, initializer_range=0.2)
    vision = CLIPVisionConfig(**SIZES, image_size=32, patch_size=8, initializer_factor=3.0)
    chat = LlavaChat(build_module(module_config(settings, vision, text)), LlavaProcessor(tokenizer, settings))
    chat.save_pretrained(folder)
    return folder


def recipe(folder: Path, objective: str, **groups: dict[str, Any]) -> Recipe:
    values: dict[str, dict[str, Any]] = {
        "model": {"attention": "eager", "shape": {"audio": AUDIO}},
        "data": {
            "count": 8, "things": 2, "length": 400, "size": 32, "cache": str(folder / "cache"), "spoken": 4,
            "questions": 2, "chinese": 0.0,
        },
        "optim": {"lr": 1e-2, "warmup": 0.2},
        "run": {"out": str(folder / "out"), "steps": 3, "batch": 2, "precision": "fp32", "log_every": 1},
    }  # fmt: skip
    merged = {name: {**values.get(name, {}), **groups.get(name, {})} for name in {*values, *groups}}
    return build(Recipe, {"objective": objective, **merged}, where="")


def hum(text: str, manner: object) -> np.ndarray:
    """What stands for espeak-ng: each letter is a tone of its own, 40 ms long; two seconds at most."""
    places = np.arange(640) / 16_000
    tones = [0.3 * np.sin(2 * np.pi * (200 + 90 * (ord(letter) % 32)) * places) for letter in text[:50]]
    return np.concatenate(tones).astype(np.float32)
