"""Loading LLaVA from every form it is published in.

- The original's full checkpoints (flat config.json, .bin or safetensors, sharded or not).
- The original's projector-only checkpoints (mm_projector.bin) and LoRA checkpoints, with their base.
- transformers' LLaVA and LLaVA-NeXT folders (nested config.json), among them those gesso saves.

Which of them a folder is follows from its files and config, never from its name. Facts on the original's
loader (`llava/model/builder.py` at c121f04) stand where they decide something.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig

from gesso.core.errors import CheckpointError, UsageError
from gesso.models.base import SETTINGS_KEY
from gesso.models.checkpoints import (
    KeyRule,
    fill,
    read_json,
    rename_keys,
    resolve_folder,
)
from gesso.models.llava.lora import is_lora, merge_lora
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.modules import MODULES, module_config
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.read_config import (
    choose_template,
    is_original,
    read_saved_settings,
    read_settings,
    read_text_config,
)
from gesso.models.llava.settings import LlavaSettings
from gesso.models.llava.towers import find_tower, tower_tensors
from gesso.models.originals import (
    add_picture_tokens,
    dtype_of,
    has_tokenizer,
    language_tensors,
    load_saved,
    load_tokenizer,
    unused_token,
)
from gesso.models.pixels import PixelSettings

__all__ = ["load_llava", "original_key_rules"]

INNER: Final = r"(?:model|transformer)\."
"""What stands before all keys but the head's."""

EMBEDDINGS: Final = ("model.embed_tokens.weight", "transformer.wte.weight", "lm_head.weight")
"""Weights with a row for each token; LLaMA's and Mistral's names, MPT's, and the head of all."""


def load_llava(
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device | None = None,
    base: str | Path | None = None,
    tower: str | Path | None = None,
) -> LlavaChat:
    """Load a LLaVA.

    Args:
        path: folder, or repository of the Hub.
        dtype: of the weights; None keeps that of the checkpoint's language model.
        device: where the model goes; None leaves it on the CPU.
        base: the language model that a projector-only or LoRA checkpoint belongs to.
        tower: the CLIP that the checkpoint names as `mm_vision_tower`, if it lies elsewhere.

    Raises:
        CheckpointError: files are missing or damaged, or keys and model do not fit; keys are named.
        UnsupportedError: a kind of LLaVA that gesso does not have.
        UsageError: `base` or `tower` is missing, or given where nothing would use it.
    """
    folder = resolve_folder(path)
    config = read_json(folder / "config.json")
    if is_original(config):
        chat = _load_original(folder, config, dtype, base, tower)
    elif base is None and tower is None:
        chat = _load_saved(folder, dtype)
    else:
        raise UsageError(f"{folder} is complete; leave out base and tower")
    if device is not None:
        module: nn.Module = chat.module
        module.to(device)
    return chat


def original_key_rules(settings: LlavaSettings) -> list[KeyRule]:
    """From key names of haotian-liu/LLaVA (`model.*`, on MPT `transformer.*`) to those of our modules."""
    # merging without unpadding never shows a newline to the model
    newline = r"model.\1" if settings.patch_merge_type == "spatial_unpad" else None
    rules = [
        # derived buffers, recomputed from the config
        KeyRule(r".*\.rotary_emb\.inv_freq", None),
        KeyRule(r".*\.embeddings\.position_ids", None),
        KeyRule(r"(lm_head\..*)", r"\1"),
        KeyRule(r"model\.((?:embed_tokens|layers|norm)\..*)", r"model.language_model.\1"),
        KeyRule(r"transformer\.((?:wte|blocks|norm_f)\..*)", r"model.language_model.\1"),
        KeyRule(rf"{INNER}vision_tower\.vision_tower\.vision_model\.(.*)", r"model.vision_tower.\1"),
        KeyRule(rf"{INNER}(image_newline)", newline),
    ]
    if settings.in_tree:
        # nn.Sequential's numbers: linear, GELU (1, without weights), linear
        rules.append(KeyRule(rf"{INNER}mm_projector\.0\.(.*)", r"model.multi_modal_projector.linear_1.\1"))
        rules.append(KeyRule(rf"{INNER}mm_projector\.2\.(.*)", r"model.multi_modal_projector.linear_2.\1"))
    else:
        rules.append(KeyRule(rf"{INNER}mm_projector\.(.*)", r"model.multi_modal_projector.\1"))
    return rules


def _load_original(
    folder: Path,
    config: Mapping[str, Any],
    dtype: torch.dtype | None,
    base: str | Path | None,
    tower: str | Path | None,
) -> LlavaChat:
    source = resolve_folder(base) if base is not None else None
    tensors = language_tensors(folder, source, lora=is_lora(folder))
    found = find_tower(config, folder, tower)
    settings = read_settings(config, found.config, choose_template(config, folder.name))
    # before LoRA, whose adapters may sit on the tower as well
    tensors = tower_tensors(tensors, config, found)
    if is_lora(folder):
        tensors = merge_lora(tensors, folder)
    text = read_text_config(config)
    # LoRA and projector folders often leave the tokenizer to their base
    tokenizer = load_tokenizer(folder if source is None or has_tokenizer(folder) else source, text)
    add_picture_tokens(tokenizer, config)
    tensors = _grow(tensors, text, len(tokenizer))
    names = rename_keys(tensors, original_key_rules(settings))
    ours = {name: tensors[key] for key, name in names.items()}
    whole = module_config(settings, found.config, text, image_token_index=unused_token(tokenizer))
    module = fill(MODULES[type(whole)], whole, ours, dtype or dtype_of(tensors, EMBEDDINGS))
    return LlavaChat(module, LlavaProcessor(tokenizer, settings, pixels=found.pixels))


def _grow(tensors: Mapping[str, Tensor], text: PreTrainedConfig, tokens: int) -> dict[str, Tensor]:
    """Give new tokens embeddings: the mean of the others, as the original's trainer does.

    The original also cuts embeddings that have more rows than the tokenizer has tokens, which would change
    the published vocabulary; they are kept here.
    """
    grown = dict(tensors)
    if "lm_head.weight" not in grown and "transformer.wte.weight" in grown:
        grown["lm_head.weight"] = grown["transformer.wte.weight"]  # MPT's one weight for both
    if tokens <= text.vocab_size:
        return grown
    for name in EMBEDDINGS:
        if name in grown and len(grown[name]) < tokens:
            rows = grown[name]
            mean = rows.float().mean(0, keepdim=True).to(rows.dtype)  # [1, D]
            grown[name] = torch.cat([rows, mean.expand(tokens - len(rows), -1)])  # [V, D]
    text.vocab_size = tokens
    return grown


def _load_saved(folder: Path, dtype: torch.dtype | None) -> LlavaChat:
    """A folder in transformers' own format."""
    config = AutoConfig.from_pretrained(folder)
    if type(config) not in MODULES:
        raise CheckpointError(f"{folder} holds a model of type {config.model_type}; allowed: "
                              f"{', '.join(known.model_type for known in MODULES)}")  # fmt: skip
    module = load_saved(MODULES[type(config)], folder, dtype)
    # gesso's own folders say everything; of others the settings are worked out
    saved = getattr(config, SETTINGS_KEY, None)
    settings = LlavaSettings.from_dict(saved) if saved else read_saved_settings(config, folder.name)
    pixels = PixelSettings.from_folder(folder)
    return LlavaChat(module, LlavaProcessor(load_tokenizer(folder), settings, pixels=pixels))
