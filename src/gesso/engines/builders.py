"""From a folder to an engine, one function per kind of model."""

from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from gesso.core.errors import UnsupportedError, UsageError
from gesso.engines.chat import Chat
from gesso.engines.features import MEBIBYTE, FeatureMemory
from gesso.engines.folders import adapter_base, folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.text_chat import TextChat, TextProcessor
from gesso.models.causal import load_language_model
from gesso.models.checkpoints import read_json
from gesso.models.clip import ClipEncoder
from gesso.models.llava.convert import load_llava
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.megrez.convert import load_megrez
from gesso.models.mgm.convert import load_mgm
from gesso.models.omost.processor import TemplateProcessor
from gesso.models.originals import load_tokenizer
from gesso.models.picture_chat import PictureChat
from gesso.models.processor import ConversationProcessor
from gesso.models.templates import storybook_jinja

__all__ = [
    "GIVES",
    "build_clip",
    "build_instruct",
    "build_llava",
    "build_megrez",
    "build_mgm",
    "build_text_chat",
    "builder_for",
    "device_of",
    "dtype_of",
    "is_small",
]

GIVES: Final = "gesso_gives"
"""Key of config.json by which a model that gesso trained says what it gives, if that is not plain text."""

SMALL: Final = 10**9
"""Bytes of weights below which a CPU computes in float32: speed matters there, memory does not."""


def build_llava(folder: Path, options: LoadOptions) -> Chat:
    """A LLaVA of any version, original or transformers' form, or an adapter with its base."""
    base = options.base or adapter_base(folder)
    device = device_of(options)
    model = load_llava(folder, dtype=dtype_of(folder, options), device=device, base=base and folder_of(base))
    return _ready(model, options)


def build_mgm(folder: Path, options: LoadOptions) -> Chat:
    """A Mini-Gemini of any size, or a checkpoint of its first stage with its base."""
    base = options.base and folder_of(options.base)
    model = load_mgm(folder, dtype=dtype_of(folder, options), device=device_of(options), base=base)
    return _ready(model, options)


def build_megrez(folder: Path, options: LoadOptions) -> Chat:
    """A Megrez-3B-Omni."""
    _refuse_base(options)
    model = load_megrez(folder, dtype=dtype_of(folder, options), device=device_of(options))
    return _ready(model, options)


def build_instruct(folder: Path, options: LoadOptions) -> Chat:
    """A language model that follows instructions, under the chat template that it brings."""
    _refuse_base(options)
    processor = TemplateProcessor(load_tokenizer(folder))
    dtype = dtype_of(folder, options)
    model = load_language_model(folder, dtype=dtype, device=device_of(options))
    return Chat(TextChat(model), processor)


def build_text_chat(folder: Path, options: LoadOptions) -> Chat:
    """A language model that gesso trained, under the storybook's template."""
    _refuse_base(options)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    language_model = load_language_model(folder, dtype=dtype_of(folder, options), device=device_of(options))
    longest = language_model.config.max_position_embeddings
    processor = LlavaProcessor(tokenizer, LlavaSettings(template="storybook", max_length=longest))
    return Chat(TextChat(language_model), TextProcessor(processor), stop=_stops(processor))


def build_clip(folder: Path, options: LoadOptions) -> ClipEncoder:
    """A CLIP model."""
    _refuse_base(options)
    return ClipEncoder.from_folder(folder, device=device_of(options), dtype=dtype_of(folder, options))


def builder_for(folder: Path) -> str:
    """The builder, as "module:function", of a folder that the catalogue does not know.

    A language model is a planner if its config or its name says so, or if it has a chat template of its own:
    gesso chats with language models under the storybook's template alone, but any that follows instructions
    can be told how to write a canvas.

    Raises:
        CheckpointError: it has no config.json.
        UnsupportedError: this version of gesso has none for it.
    """
    config = read_json(folder / "config.json")
    kind = str(config.get("model_type", ""))
    if kind in ("megrezo", "gesso_megrez"):
        return "gesso.engines.builders:build_megrez"
    # before LLaVA, from which it has most of its entries
    if kind == "gesso_mgm" or "mm_vision_tower_aux" in config:
        return "gesso.engines.builders:build_mgm"
    if "llava" in kind or "mm_vision_tower" in config:
        return "gesso.engines.builders:build_llava"
    if kind == "clip":
        return "gesso.engines.builders:build_clip"
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        plans = config.get(GIVES) == "canvas" or _called_omost(folder)
        if _has_template(folder):
            return f"gesso.engines.plan_build:{'build_omost' if plans else 'build_planner'}"
        if plans:
            return "gesso.engines.plan_build:build_planner"
    if kind == "llama":
        return "gesso.engines.builders:build_text_chat"
    raise UnsupportedError(f"{folder} holds a model of type {kind or 'unknown'!r}; this version of gesso "
                           "runs LLaVA, Mini-Gemini and Megrez folders, planners, language models with a "
                           "chat template, and what `gesso train` writes")  # fmt: skip


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


def _called_omost(folder: Path) -> bool:
    """Whether a folder, or the repository of a folder in Hugging Face's cache, is named after Omost."""
    *_, repository, _, name = ("", "", *folder.resolve().parts)
    # the cache has its folders by commit: models--OWNER--NAME/snapshots/COMMIT
    names = [name, repository] if repository.startswith("models--") else [name]
    return any("omost" in part.lower() for part in names)


def _has_template(folder: Path) -> bool:
    """Whether a folder brings a chat template of its own; the storybook's is gesso's."""
    file, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if file.is_file():
        return file.read_text("utf-8") != storybook_jinja()
    template = read_json(settings).get("chat_template") if settings.is_file() else None
    return template not in (None, storybook_jinja())


def _ready(model: PictureChat[Any], options: LoadOptions) -> Chat:
    module: nn.Module = model.module
    module.eval()
    model.memory = FeatureMemory(options.feature_cache * MEBIBYTE)
    return Chat(model, model.processor, stop=_stops(model.processor))


def _stops(processor: ConversationProcessor) -> tuple[str, ...]:
    stop = processor.template.stop
    return (stop,) if stop else ()


def _refuse_base(options: LoadOptions) -> None:
    if options.base is not None:
        raise UsageError(f"base {options.base!r} is given, but the model is no adapter; leave it out")
