"""From what a Mini-Gemini checkpoint says of itself to configs and settings.

Its config.json is flat. Files from before the renaming say `mini_gemini` where later ones say `mgm`.
"""

from collections.abc import Mapping
from typing import Any, Final

from transformers import (
    CLIPVisionConfig,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    PreTrainedConfig,
)

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.mgm.settings import MgmSettings
from gesso.models.originals import build_text_config
from gesso.models.towers import square_side

__all__ = [
    "choose_template",
    "is_original",
    "read_settings",
    "read_text_config",
    "tokenizer_config",
    "wants_exact_gelu",
]

FAMILIES: Final[Mapping[str, type[PreTrainedConfig]]] = {
    "gemma": GemmaConfig,
    "mixtral": MixtralConfig,
    "mistral": MistralConfig,
    "llama": LlamaConfig,
}
"""Language models and their config classes."""

PLAIN_NAMES: Final = ("mgm", "mini_gemini")
"""What a Mini-Gemini on a LLaMA calls itself."""

YI_VOCABULARY: Final = 64000
LLAMA_3_VOCABULARY: Final = 128256
"""Rows of embeddings by which models that all call themselves LLaMA are told apart."""


def is_original(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is the original's flat kind rather than one that gesso saved."""
    return "text_config" not in config


def read_text_config(config: Mapping[str, Any]) -> PreTrainedConfig:
    """The language model's config inside a flat config.

    Raises:
        CheckpointError: a size is missing.
        UnsupportedError: a language model other than LLaMA, Gemma, Mistral and Mixtral.
    """
    return build_text_config(config, FAMILIES[_family(config)])


def tokenizer_config(text: PreTrainedConfig) -> PreTrainedConfig:
    """The config by which transformers is to choose the class of a language model's tokenizer.

    Mistral's and Mixtral's tokenizers are LLaMA's, but by their own names transformers 5 reads a
    `tokenizer.model` without the blank that begins each text.
    """
    return LlamaConfig() if text.model_type in ("mistral", "mixtral") else text


def wants_exact_gelu(config: Mapping[str, Any]) -> bool:
    """Whether a Gemma computes the exact GELU, as it did where the config says "gelu" (transformers 4.38)."""
    # absent means the class's default, which is the tanh form
    return _family(config) == "gemma" and config.get("hidden_act") == "gelu"


def read_settings(config: Mapping[str, Any], tower: CLIPVisionConfig, template: str) -> MgmSettings:
    """Settings of a flat config; absent entries mean what they mean to the original.

    Raises:
        CheckpointError: the size of the high-resolution picture is missing, or no model can have the values.
        UnsupportedError: features with the class token, which have no place in the grid of patches.
    """
    if config.get("mm_vision_select_feature", "patch") != "patch":
        raise UnsupportedError(f"mm_vision_select_feature {config['mm_vision_select_feature']!r}; "
                               "allowed: patch, as each token mines its own part of the map")  # fmt: skip
    if not config.get("image_size_aux"):
        raise CheckpointError("config.json has no image_size_aux; set it to the side of the high-resolution "
                              "picture the model was trained with, 768 or, for HD, 1536")  # fmt: skip
    ratio = config.get("image_aspect_ratio")
    return MgmSettings(
        projector_type=config.get("mm_projector_type", "linear"),
        select_layer=config.get("mm_vision_select_layer", -2),
        # anything but "pad" means no padding to the original
        image_aspect_ratio="pad" if ratio == "pad" else "square",
        image_size=square_side(tower.image_size),
        patch_size=square_side(tower.patch_size),
        image_size_aux=int(config["image_size_aux"]),
        image_grid=int(config.get("image_grid") or 1),
        image_global=bool(config.get("image_global", False)),
        use_im_start_end=bool(config.get("mm_use_im_start_end", False)),
        max_length=int(config.get("tokenizer_model_max_length") or 2048),
        template=template,
    )


def choose_template(config: Mapping[str, Any]) -> str:
    """The conversation template a Mini-Gemini was trained with, whatever its folder is called.

    The original goes by the folder's name, and so speaks to its Llama 3 model in Vicuna's way, which that
    model answers without end.
    """
    family = _family(config)
    if family == "llama":
        by_vocabulary = {YI_VOCABULARY: "chatml_direct", LLAMA_3_VOCABULARY: "llama_3"}
        return by_vocabulary.get(int(config.get("vocab_size", 0)), "vicuna_v1")
    return {"gemma": "gemma", "mixtral": "mixtral_instruct", "mistral": "mixtral_instruct"}[family]


def _family(config: Mapping[str, Any]) -> str:
    """The name in `FAMILIES` of a config's language model, from model_type and architectures."""
    said = [str(config.get("model_type") or ""), *(config.get("architectures") or [])]
    names = [name.lower() for name in said]
    for family in FAMILIES:
        if any(family in name for name in names):
            return family
    if any(name in PLAIN_NAMES for name in names):
        return "llama"
    raise UnsupportedError(f"a language model of type {' / '.join(said)!r}; allowed: {', '.join(FAMILIES)}")
