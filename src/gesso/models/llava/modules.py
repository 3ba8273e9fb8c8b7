"""The torch modules of a LLaVA: transformers' own classes wherever they compute the same thing.

- `LlavaForConditionalGeneration`: two-layer projector, tiles (one or more) simply one after the other.
- `LlavaNextForConditionalGeneration`: two-layer projector, AnyRes tiles joined by "spatial_unpad".
- `VariantLlavaForConditionalGeneration`, `VariantLlavaNextForConditionalGeneration`: the same two with
  another projector (linear, mlpNx_gelu with N other than 2, identity) or another way to join AnyRes tiles,
  neither of which transformers has. They are registered with the Auto classes.

AnyRes canvas sizes stand as (height, width) in a transformers config and as (width, height) in LLaVA's; on
ties transformers' choice equals the original's only if each pair is turned round, as `module_config` does.
"""

from typing import Any, Final

from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
)

from gesso.core.errors import CheckpointError
from gesso.models.base import SETTINGS_KEY
from gesso.models.llava.settings import LlavaSettings
from gesso.nn.projectors import build_projector

__all__ = [
    "MODULES",
    "VariantLlavaConfig",
    "VariantLlavaForConditionalGeneration",
    "VariantLlavaNextConfig",
    "VariantLlavaNextForConditionalGeneration",
    "build_module",
    "module_config",
]


class VariantLlavaConfig(LlavaConfig):
    """A LlavaConfig with a `projector_type`."""

    model_type = "gesso_llava"
    projector_type: str = "linear"


class VariantLlavaNextConfig(LlavaNextConfig):
    """A LlavaNextConfig with a `projector_type`."""

    model_type = "gesso_llava_next"
    projector_type: str = "linear"


class VariantLlavaForConditionalGeneration(LlavaForConditionalGeneration):
    """LLaVA with any projector type; joining AnyRes tiles is left to `LlavaChat`."""

    config_class = VariantLlavaConfig

    def __init__(self, config: VariantLlavaConfig) -> None:
        super().__init__(config)
        # in place of the one that transformers has just made, so keys keep their names
        self.model.multi_modal_projector = _projector(config)


class VariantLlavaNextForConditionalGeneration(LlavaNextForConditionalGeneration):
    """LLaVA-NeXT with any projector type."""

    config_class = VariantLlavaNextConfig

    def __init__(self, config: VariantLlavaNextConfig) -> None:
        super().__init__(config)
        self.model.multi_modal_projector = _projector(config)


MODULES: Final[dict[type[PreTrainedConfig], type[PreTrainedModel]]] = {
    LlavaConfig: LlavaForConditionalGeneration,
    LlavaNextConfig: LlavaNextForConditionalGeneration,
    VariantLlavaConfig: VariantLlavaForConditionalGeneration,
    VariantLlavaNextConfig: VariantLlavaNextForConditionalGeneration,
}

# so that Auto classes find a saved folder's class, once gesso is imported
for _config_class in (VariantLlavaConfig, VariantLlavaNextConfig):
    AutoConfig.register(_config_class.model_type, _config_class)
    AutoModelForImageTextToText.register(_config_class, MODULES[_config_class])


def module_config(
    settings: LlavaSettings,
    vision: PreTrainedConfig,
    text: PreTrainedConfig,
    *,
    image_token_index: int = 0,
) -> PreTrainedConfig:
    """The transformers config of a LLaVA with these settings and backbones.

    Args:
        settings: what distinguishes this LLaVA.
        vision: config of the tower, such as a CLIPVisionConfig.
        text: config of the language model, such as a LlamaConfig.
        image_token_index: the id that stands for pictures where transformers reads ids by itself; LLaVA's
            original vocabularies have none, so it defaults to `<unk>`, which no text gives.
    """
    tiled = settings.patch_merge_type == "spatial_unpad"
    fields: dict[str, Any] = {
        "vision_config": vision,
        "text_config": text,
        "image_token_index": image_token_index,
        "image_seq_length": settings.grid_side**2 + (settings.select_feature == "cls_patch"),
        "vision_feature_layer": settings.select_layer,
        "vision_feature_select_strategy": "default" if settings.select_feature == "patch" else "full",
        # transformers reads this of the whole config and would tie a head of its own to the embeddings
        "tie_word_embeddings": text.tie_word_embeddings,
        SETTINGS_KEY: settings.to_dict(),
    }
    if tiled:
        # turned round: see above
        fields["image_grid_pinpoints"] = [[height, width] for width, height in settings.image_grid_pinpoints]
    if not settings.in_tree:
        fields["projector_type"] = settings.projector_type
        return VariantLlavaNextConfig(**fields) if tiled else VariantLlavaConfig(**fields)
    return LlavaNextConfig(**fields) if tiled else LlavaConfig(**fields)


def build_module(config: PreTrainedConfig) -> PreTrainedModel:
    """A new module with random weights for a config of `module_config`.

    Raises:
        CheckpointError: the config is of another model.
    """
    if type(config) not in MODULES:
        raise CheckpointError(
            f"config of type {type(config).__name__}; allowed: {', '.join(c.__name__ for c in MODULES)}"
        )
    return MODULES[type(config)](config)


def _projector(config: PreTrainedConfig) -> nn.Module:
    return build_projector(
        config.projector_type, config.vision_config.hidden_size, config.text_config.hidden_size
    )
