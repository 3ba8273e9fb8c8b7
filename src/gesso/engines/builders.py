"""From a folder to an engine, one function per kind of model."""

from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from gesso.core.errors import UnsupportedError, UsageError
from gesso.engines.chat import Chat
from gesso.engines.folders import adapter_base, folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.text_chat import TextChat, TextProcessor
from gesso.models.checkpoints import read_json
from gesso.models.clip import ClipEncoder
from gesso.models.llava.convert import load_llava
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings

__all__ = [
    "build_clip",
    "build_llava",
    "build_text_chat",
    "builder_for",
    "device_of",
    "dtype_of",
    "is_small",
]

SMALL: Final = 10**9
"""Bytes of weights below which a CPU computes in float32: speed matters there, memory does not."""


def build_llava(folder: Path, options: LoadOptions) -> Chat:
    """A LLaVA of any version, original or transformers' form, or an adapter with its base."""
    base = options.base or adapter_base(folder)
    device = device_of(options)
    model = load_llava(folder, dtype=dtype_of(folder, options), device=device, base=base and folder_of(base))
    module: nn.Module = model.module
    module.eval()
    return Chat(model, model.processor, stop=_stops(model.processor))


def build_text_chat(folder: Path, options: LoadOptions) -> Chat:
    """A language model that gesso trained, under the storybook's template."""
    _refuse_base(options)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    language_model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype_of(folder, options))
    language_model.to(device_of(options)).eval()
    longest = language_model.config.max_position_embeddings
    processor = LlavaProcessor(tokenizer, LlavaSettings(template="storybook", max_length=longest))
    return Chat(TextChat(language_model), TextProcessor(processor), stop=_stops(processor))


def build_clip(folder: Path, options: LoadOptions) -> ClipEncoder:
    """A CLIP model."""
    _refuse_base(options)
    return ClipEncoder.from_folder(folder, device=device_of(options), dtype=dtype_of(folder, options))


def builder_for(folder: Path) -> str:
    """The builder, as "module:function", of a folder that the catalogue does not know.

    Raises:
        CheckpointError: it has no config.json.
        UnsupportedError: this version of gesso has none for it.
    """
    config = read_json(folder / "config.json")
    kind = str(config.get("model_type", ""))
    if "llava" in kind or "mm_vision_tower" in config:
        return "gesso.engines.builders:build_llava"
    if kind == "clip":
        return "gesso.engines.builders:build_clip"
    if kind == "llama":
        return "gesso.engines.builders:build_text_chat"
    raise UnsupportedError(f"{folder} holds a model of type {kind or 'unknown'!r}; this version of gesso "
                           "runs LLaVA folders and what `gesso train` writes")  # fmt: skip


def device_of(options: LoadOptions) -> torch.device:
    """The device to load onto.

    Raises:
        UsageError: this machine does not have it.
    """
    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(options.device)
    present = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= present[device.type]:
        raise UsageError(f"device {options.device!r} is not on this machine; `gesso doctor` shows what is")
    return device


def dtype_of(folder: Path, options: LoadOptions) -> torch.dtype:
    """The number format to compute in; see `LoadOptions.dtype`."""
    if options.dtype != "auto":
        dtype: torch.dtype = getattr(torch, options.dtype)
        return dtype
    on_cpu = device_of(options).type == "cpu"
    return torch.float32 if on_cpu and is_small(folder) else torch.bfloat16


def is_small(folder: Path) -> bool:
    """Whether the weights in a folder take less than a gigabyte; an adapter is as large as its base."""
    if adapter_base(folder):
        return False
    files = [path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern)]
    return sum(path.stat().st_size for path in files) < SMALL


def _stops(processor: LlavaProcessor) -> tuple[str, ...]:
    stop = processor.template.stop
    return (stop,) if stop else ()


def _refuse_base(options: LoadOptions) -> None:
    if options.base is not None:
        raise UsageError(f"base {options.base!r} is given, but the model is no adapter; leave it out")
