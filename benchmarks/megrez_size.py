"""A Megrez of random weights in several sizes, and what the benchmarks ask it."""

import numpy as np
import torch
from PIL import Image as Pictures
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
    WhisperConfig,
)

from gesso.core.messages import Audio, Image, Message, user
from gesso.models.megrez.model import MegrezChat
from gesso.models.megrez.modules import MegrezConfig, MegrezForConditionalGeneration
from gesso.models.megrez.processor import MARKS, MegrezProcessor
from gesso.models.megrez.settings import MegrezSettings

__all__ = ["SIZES", "build_megrez", "question"]

SIZES = {
    # width, layers, heads and key heads of the language model, rows of its table;
    # width and layers of the eyes, and of the ears
    "small": (256, 2, 4, 1, 2048, 128, 2, 128, 2),
    "mid": (640, 8, 10, 2, 8192, 384, 6, 320, 6),
    "true": (2560, 32, 40, 10, 122880, 1152, 27, 1280, 32),
}
PICTURE = (720, 1480)
"""Of the published protocol: 7 slices, 448 tokens."""


def build_megrez(size: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> MegrezChat:
    """A Megrez of a size; without any end token, so that all answers run to their limit."""
    width, layers, heads, groups, rows, seeing, eyes, hearing, ears = SIZES[size]
    text = LlamaConfig(
        hidden_size=width, intermediate_size=int(2.8 * width), num_hidden_layers=layers, vocab_size=rows,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=4096, rope_theta=5e6,
        bos_token_id=None, eos_token_id=None, tie_word_embeddings=False,
    )  # fmt: skip
    vision = SiglipVisionConfig(
        hidden_size=seeing, intermediate_size=int(3.736 * seeing), num_hidden_layers=eyes, image_size=980,
        num_attention_heads=seeing // (72 if size == "true" else 64), patch_size=14,
        hidden_act="gelu_pytorch_tanh", vision_use_head=False,
    )  # fmt: skip
    audio = WhisperConfig(
        d_model=hearing, encoder_layers=ears, encoder_attention_heads=hearing // 64, num_mel_bins=128,
        encoder_ffn_dim=4 * hearing, activation_function="gelu",
    )  # fmt: skip
    # without the system text: about 128 text tokens in all
    settings = MegrezSettings(template="megrez_plain")
    config = MegrezConfig(
        text_config=text, vision_config=vision, audio_config=audio, gesso=settings.to_dict()
    )
    torch.manual_seed(0)
    with torch.device(device):
        module = MegrezForConditionalGeneration(config).to(dtype).eval()
    module.generation_config.eos_token_id = None
    return MegrezChat(module, MegrezProcessor(build_tokenizer(), settings))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, " hi", and the marks of the template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {piece: index for index, piece in enumerate([*alphabet, "hi", "Ġhi"])}
    backend = Tokenizer(models.BPE(pieces, [("h", "i"), ("Ġ", "hi")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    marks = [*MARKS, "<|image_id_start|>", "<|image_id_end|>", "<|unk|>", "<|pad|>"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, additional_special_tokens=marks)


def question(number: int, *, words: int = 127, seconds: float = 0) -> list[Message]:
    """One user turn: a picture of the protocol's size, other ones for other numbers, "hi" so many times."""
    noise = np.random.default_rng(number)
    small = Pictures.fromarray(noise.integers(0, 256, (37, 18, 3), dtype=np.uint8))
    parts: list[Image | Audio | str] = [Image(small.resize(PICTURE))]
    if seconds:
        parts.append(Audio(noise.normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)))
    return [user(*parts, " ".join(["hi"] * words))]
