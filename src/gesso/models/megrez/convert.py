"""Loading Megrez-3B-Omni: the published checkpoint, or a folder that gesso saved.

The published key names are those of the weight loader and training script of infinigence/Infini-Megrez-Omni
at 031e816 (`vllm_demo/megrezo.py`, `finetune/`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError
from gesso.models.base import SETTINGS_KEY
from gesso.models.checkpoints import (
    KeyRule,
    fill,
    open_tensors,
    read_json,
    rename_keys,
    resolve_folder,
    weight_files,
)
from gesso.models.megrez.model import MegrezChat
from gesso.models.megrez.modules import MegrezConfig, MegrezForConditionalGeneration
from gesso.models.megrez.processor import MegrezProcessor
from gesso.models.megrez.read_config import PUBLISHED_TYPE, read_config, read_settings
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.originals import dtype_of, has_tokenizer, load_saved, load_tokenizer

__all__ = ["ENDS", "ORIGINAL_KEYS", "fill_original", "load_megrez"]

BLOCK: Final = r"audio\.audio\.blocks\.(\d+)\."
LAYER: Final = r"audio.layers.\1."
INSIDE: Final = {
    r"attn\.query": "self_attn.q_proj",
    r"attn\.key": "self_attn.k_proj",
    r"attn\.value": "self_attn.v_proj",
    r"attn\.out": "self_attn.out_proj",
    "attn_ln": "self_attn_layer_norm",
    r"mlp\.0": "fc1",
    r"mlp\.2": "fc2",
    "mlp_ln": "final_layer_norm",
}
"""Parts of an audio block: the original's names, which are OpenAI Whisper's, then transformers'."""

ORIGINAL_KEYS: Final = (
    KeyRule(r"(?:.*\.)?rotary_emb\.inv_freq", None),
    KeyRule(r"vision\.vpm\.embeddings\.position_ids", None),
    KeyRule(r"llm\.(.*)", r"language_model.\1"),
    KeyRule(r"vision\.vpm\.(.*)", r"vision.\1"),
    # a cached table of waves, which no training changes
    KeyRule(r"vision\.resampler\.pos_embed", None),
    KeyRule(r"vision\.resampler\.(.*)", r"resampler.\1"),
    *(KeyRule(rf"{BLOCK}{theirs}\.(.*)", rf"{LAYER}{ours}.\2") for theirs, ours in INSIDE.items()),
    KeyRule(r"audio\.audio\.positional_embedding", "audio.positions"),
    KeyRule(r"audio\.audio\.audio_bos_eos_token\.weight", "audio.begin_end.weight"),
    KeyRule(r"audio\.audio\.((?:conv1|conv2|ln_post|proj)\..*)", r"audio.\1"),
)
"""From published key names to those of our module."""

ENDS: Final = ("<|turn_end|>", "<|eos|>")
"""Tokens at which an answer ends."""


def load_megrez(
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device | None = None,
) -> MegrezChat:
    """Load a Megrez-3B-Omni.

    Args:
        path: folder, or repository of the Hub.
        dtype: of the weights; None keeps that of the checkpoint.
        device: where the model goes; None leaves it on the CPU.

    Raises:
        CheckpointError: files are missing or damaged, or keys and model do not fit; keys are named.
        UnsupportedError: a kind of Megrez that gesso does not have.
    """
    folder = resolve_folder(path)
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind == PUBLISHED_TYPE:
        module = _load_original(folder, config, dtype)
    elif kind == MegrezConfig.model_type:
        module = load_saved(MegrezForConditionalGeneration, folder, dtype)
    else:
        raise CheckpointError(f"{folder} holds a model of type {kind}; allowed: {PUBLISHED_TYPE} and "
                              f"{MegrezConfig.model_type}")  # fmt: skip
    chat = _with_processor(module, folder)
    if device is not None:
        target: nn.Module = chat.module
        target.to(device)
    return chat


def _load_original(
    folder: Path, config: Mapping[str, Any], dtype: torch.dtype | None
) -> MegrezForConditionalGeneration:
    files = weight_files(folder)
    if not files:
        raise CheckpointError(f"{folder} has no weight files; fetch model.safetensors.index.json and what it "
                              "names")  # fmt: skip
    if not has_tokenizer(folder):
        raise CheckpointError(f"{folder} has no tokenizer; fetch tokenizer.json and tokenizer_config.json")
    side = folder / "preprocessor_config.json"
    settings = read_settings(config, read_json(side) if side.is_file() else {})
    whole = read_config(config, settings)
    return fill_original(whole, open_tensors(files), dtype)


def fill_original(
    config: PreTrainedConfig, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None
) -> MegrezForConditionalGeneration:
    """A module made of tensors under published key names; errors as in `load_megrez`."""
    names = rename_keys(tensors, ORIGINAL_KEYS)
    ours = {name: tensors[key] for key, name in names.items()}
    kept = dtype or dtype_of(tensors, ("llm.model.embed_tokens.weight",))
    module: Any = fill(MegrezForConditionalGeneration, config, ours, kept)
    filled: MegrezForConditionalGeneration = module
    return filled


def _with_processor(module: MegrezForConditionalGeneration, folder: Path) -> MegrezChat:
    config: Any = module.config
    # without `config` transformers would ask for the code of the repository
    tokenizer = load_tokenizer(folder, config.text_config)
    settings = MegrezSettings.from_dict(getattr(config, SETTINGS_KEY) or {})
    _end_answers(module, tokenizer)
    return MegrezChat(module, MegrezProcessor(tokenizer, settings, mels=config.audio_config.num_mel_bins))


def _end_answers(module: MegrezForConditionalGeneration, tokenizer: PreTrainedTokenizerBase) -> None:
    vocabulary = tokenizer.get_vocab()
    ends = sorted(vocabulary[token] for token in ENDS if token in vocabulary)
    generation: Any = module.generation_config
    generation.eos_token_id = ends
    # rows of a batch are filled up with it and masked; any token would do
    generation.pad_token_id = ends[0] if ends else None
