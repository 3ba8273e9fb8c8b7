"""The Mini-Gemini a recipe trains: loaded whole, or put together from what it is made of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from gesso.config.schema import ModelSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.engines.catalog import known
from gesso.engines.folders import folder_of
from gesso.models.causal import load_language_model
from gesso.models.checkpoints import fill, read_json, rename_keys
from gesso.models.llava.convert import load_llava
from gesso.models.mgm.convert import load_mgm
from gesso.models.mgm.detail_tower import DetailTower, detail_rules
from gesso.models.mgm.model import MgmChat
from gesso.models.mgm.modules import MgmConfig, MgmForConditionalGeneration, module_config
from gesso.models.mgm.processor import MgmProcessor
from gesso.models.mgm.read_config import is_original
from gesso.models.mgm.settings import MgmSettings
from gesso.models.mgm.towers import find_detail_tower
from gesso.models.pixels import PixelSettings
from gesso.train.llava import load_tower
from gesso.train.lora import adapt

__all__ = ["build_mgm", "is_mgm"]


def is_mgm(model: ModelSettings) -> bool:
    """Whether a recipe's model is a Mini-Gemini: it begins with one, or names a high-resolution tower."""
    if model.detail is not None:
        return True
    if model.init is None or not (Path(model.init).is_dir() or known(model.init)):
        return False
    config = read_json(folder_of(model.init) / "config.json")
    return config.get("model_type") == MgmConfig.model_type or is_original(config)


def build_mgm(recipe: Recipe) -> MgmChat:
    """The model of a vision-language recipe, ready to train.

    `model.init` is a Mini-Gemini; or `model.detail` a high-resolution tower and `model.init` a LLaVA, or
    `model.vision` and `model.language` the other two parts, as in the first stage of the original.

    Raises:
        ConfigError: parts are missing, or given where nothing would use them.
        CheckpointError: one cannot be read.
    """
    model = recipe.model
    if model.detail is None:
        chat = _whole(model)
    elif model.init is not None:
        chat = _from_llava(model)
    elif model.vision is not None and model.language is not None:
        language = load_language_model(folder_of(model.language))
        tokenizer = AutoTokenizer.from_pretrained(folder_of(model.language))
        chat = _assemble(model, load_tower(folder_of(model.vision)), language, tokenizer)
    else:
        raise ConfigError("model.detail alone is no Mini-Gemini; give model.init (a LLaVA), or model.vision "
                          "and model.language")  # fmt: skip
    chat.module.set_attn_implementation({"": model.attention, "detail_config": "eager"})
    adapt(chat, recipe)
    return chat


def _whole(model: ModelSettings) -> MgmChat:
    """A Mini-Gemini, perhaps under another template or treatment of pictures.

    Resolution and views add no weights, so that HD models grow out of the first stage of the others.
    """
    chat = load_mgm(folder_of(str(model.init)), dtype=torch.float32)
    changes = {
        "template": model.template,
        "image_aspect_ratio": model.aspect,
        "image_size_aux": model.high,
        "image_grid": model.grid,
        "image_global": model.overview,
    }
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    settings = replace(chat.settings, **given)
    module: Any = chat.module
    module.config.gesso, module.model.settings = settings.to_dict(), settings
    module.config.image_seq_length = settings.view_count(settings.image_size_aux) * settings.grid_side**2
    return MgmChat(module, MgmProcessor(chat.processor.tokenizer, settings, pixels=chat.processor.pixels))


def _from_llava(model: ModelSettings) -> MgmChat:
    """A LLaVA that gets a second tower; mining is new."""
    base = load_llava(folder_of(str(model.init)), dtype=torch.float32)
    if base.settings.patch_merge_type != "flat":
        raise ConfigError(f"model.init {model.init} joins AnyRes tiles; a Mini-Gemini begins with a LLaVA "
                          "without them")  # fmt: skip
    source: Any = base.module
    chat = _assemble(
        replace(model, template=model.template or base.settings.template),
        source.model.vision_tower,
        source,
        base.processor.tokenizer,
        pixels=base.processor.pixels,
        index=source.config.image_token_index,
    )
    ours: Any = chat.module
    ours.model.multi_modal_projector.load_state_dict(_numbered(source.model.multi_modal_projector))
    # nothing is mined at first, so that training begins with what the LLaVA already answers
    for parameter in ours.model.detail_mining.value.linear.parameters():
        nn.init.zeros_(parameter)
    return chat


def _numbered(projector: nn.Module) -> dict[str, Tensor]:
    """A projector's weights as those of a sequence: transformers' LLaVA names its two layers."""
    names = {"linear_1": "0", "linear_2": "2"}
    state = projector.state_dict()
    return {".".join(names.get(part, part) for part in key.split(".")): value for key, value in state.items()}


def _assemble(
    model: ModelSettings,
    tower: PreTrainedModel,
    language: Any,
    tokenizer: PreTrainedTokenizerBase,
    *,
    pixels: PixelSettings | None = None,
    index: int = 0,
) -> MgmChat:
    """A Mini-Gemini of given parts with new mining and a new projector."""
    if model.high is None:
        raise ConfigError("model.high is missing; give the side of the high-resolution picture, such as 768")
    detail = _detail(str(model.detail))
    text = language.config.get_text_config()
    settings = MgmSettings(
        projector_type=model.projector,
        image_size=tower.config.image_size,
        patch_size=tower.config.patch_size,
        max_length=text.max_position_embeddings,
        template=model.template or "storybook",
        image_aspect_ratio=model.aspect or "pad",
        image_size_aux=model.high,
        image_grid=model.grid or 1,
        image_global=model.overview or False,
    )
    whole = module_config(settings, tower.config, detail.config, text, image_token_index=index)
    module = MgmForConditionalGeneration(whole)
    module.model.vision_tower.load_state_dict(tower.state_dict())
    module.model.vision_tower_aux.load_state_dict(detail.state_dict())
    module.model.language_model.load_state_dict(language.get_decoder().state_dict())
    module.lm_head.load_state_dict(language.lm_head.state_dict())
    return MgmChat(module, MgmProcessor(tokenizer, settings, pixels=pixels))


def _detail(name: str) -> DetailTower:
    """A high-resolution tower: saved by `objectives.signs`, or an OpenCLIP's."""
    folder = folder_of(name)
    file = folder / "config.json"
    if file.is_file() and read_json(file).get("model_type") == "convnext":
        saved: DetailTower = DetailTower.from_pretrained(folder, dtype=torch.float32)
        return saved
    config, tensors = find_detail_tower({}, {"mm_vision_tower_aux": "openclip"}, folder, folder)
    names = rename_keys(tensors, detail_rules(""))
    filled: Any = fill(DetailTower, config, {names[key]: tensors[key] for key in names}, torch.float32)
    tower: DetailTower = filled
    return tower
