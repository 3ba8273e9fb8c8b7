"""The LLaVA a recipe trains: loaded whole, or put together from a tower and a language model."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    CLIPModel,
    PreTrainedModel,
)

from gesso.config.schema import ModelSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.engines.catalog import known
from gesso.engines.folders import folder_of
from gesso.models.causal import load_language_model
from gesso.models.llava.convert import load_llava
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.modules import build_module, module_config
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.train.lora import adapt

__all__ = ["build_chat", "load_tower"]


def build_chat(recipe: Recipe) -> LlavaChat:
    """The model of a vision-language recipe, ready to train.

    Raises:
        ConfigError: neither `model.init`, nor both `model.vision` and `model.language`, name a folder.
    """
    model = recipe.model
    if model.init is not None:
        chat = _adapt(load_llava(_folder("model.init", model.init), dtype=torch.float32), model)
    elif model.vision is not None and model.language is not None:
        chat = _assemble(
            recipe, _folder("model.vision", model.vision), _folder("model.language", model.language)
        )
    else:
        raise ConfigError(
            "give model.init (a whole LLaVA), or model.vision and model.language (its two halves)"
        )
    chat.module.set_attn_implementation(model.attention)
    adapt(chat, recipe)
    return chat


def _adapt(chat: LlavaChat, model: ModelSettings) -> LlavaChat:
    """The same weights under another template or treatment of pictures."""
    settings = replace(
        chat.settings,
        template=model.template or chat.settings.template,
        image_aspect_ratio=model.aspect or chat.settings.image_aspect_ratio,
    )
    return LlavaChat(
        chat.module, LlavaProcessor(chat.processor.tokenizer, settings, pixels=chat.processor.pixels)
    )


def _assemble(recipe: Recipe, vision: Path, language: Path) -> LlavaChat:
    """A tower and a language model with a new projector between them (LLaVA's first stage starts here)."""
    tower, text = load_tower(vision), load_language_model(language)
    tokenizer = AutoTokenizer.from_pretrained(language)
    settings = LlavaSettings(
        projector_type=recipe.model.projector,
        image_size=tower.config.image_size,
        patch_size=tower.config.patch_size,
        max_length=text.config.max_position_embeddings,
        template=recipe.model.template or "storybook",
        image_aspect_ratio=recipe.model.aspect or "pad",
    )
    options: dict[str, Any] = {}
    if getattr(tokenizer, "image_token", None) is not None:
        options["image_token_index"] = tokenizer.convert_tokens_to_ids(tokenizer.image_token)
    module = build_module(module_config(settings, tower.config, text.config, **options))
    module.model.vision_tower.load_state_dict(tower.state_dict())
    module.model.language_model.load_state_dict(text.get_decoder().state_dict())
    module.lm_head.load_state_dict(text.lm_head.state_dict())
    return LlavaChat(module, LlavaProcessor(tokenizer, settings))


def load_tower(folder: Path) -> PreTrainedModel:
    """The vision half of a CLIP folder, or a vision tower's own folder."""
    if AutoConfig.from_pretrained(folder).model_type == "clip":
        clip: Any = CLIPModel.from_pretrained(folder)
        return cast(PreTrainedModel, clip.vision_model)
    tower: PreTrainedModel = AutoModel.from_pretrained(folder)
    return tower


def _folder(setting: str, name: str) -> Path:
    if not Path(name).is_dir() and known(name) is None:
        raise ConfigError(
            f"{setting} is {name!r}, which is no folder; train its recipe first, or give its path"
        )
    return folder_of(name)
