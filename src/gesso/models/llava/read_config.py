"""From what a checkpoint says of itself to configs and settings.

Original LLaVA configs are flat and are read as plain JSON: many say `model_type: llava`, which transformers
takes for its own nested LlavaConfig and silently fills with defaults.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any, Final

from transformers import CLIPVisionConfig, LlamaConfig, MistralConfig, MptConfig, PreTrainedConfig

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.llava.settings import LlavaSettings
from gesso.models.originals import SIZES, build_text_config
from gesso.models.templates import template_name_for
from gesso.models.towers import square_side

__all__ = [
    "choose_template",
    "is_original",
    "read_saved_settings",
    "read_settings",
    "read_text_config",
]

FAMILIES: Final[Mapping[str, tuple[type[PreTrainedConfig], Sequence[str]]]] = {
    "llama": (LlamaConfig, SIZES),
    "mistral": (MistralConfig, SIZES),
    "mpt": (MptConfig, ("vocab_size", "d_model", "n_layers", "n_heads", "max_seq_len")),
}
"""Language models: config class, and the sizes a checkpoint must state."""

YI_VOCABULARY: Final = range(64000, 64128)
"""Rows of Nous-Hermes-2-Yi-34B's embedding, with what was added (LLaVA 1.6 34B; speaks ChatML)."""


def is_original(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is the original's flat kind rather than transformers' nested one."""
    return "text_config" not in config


def read_text_config(config: Mapping[str, Any]) -> PreTrainedConfig:
    """The language model's config inside a flat LLaVA config.

    Raises:
        CheckpointError: a size is missing.
        UnsupportedError: a language model other than LLaMA, Mistral and MPT.
    """
    family = _family(config)
    config_class, sizes = FAMILIES[family]
    text = build_text_config(config, config_class, sizes)
    if family == "mpt":
        # its head and embeddings are one weight, which transformers' LLaVA ties for LLaMA's names only
        text.tie_word_embeddings = False
    return text


def read_settings(config: Mapping[str, Any], tower: CLIPVisionConfig, template: str) -> LlavaSettings:
    """Settings of a flat LLaVA config; absent entries mean what they mean to the original.

    The longest sequence is `tokenizer_model_max_length`, at which the original cuts; the "context length" it
    reports (`max_sequence_length` or 2048) is used where that is absent, `max_position_embeddings` never.

    Raises:
        UnsupportedError: the multi-scale (S2) tower.
    """
    if config.get("s2"):
        raise UnsupportedError("this checkpoint needs the multi-scale tower (s2), which gesso does not have")
    length = config.get("tokenizer_model_max_length") or config.get("max_sequence_length") or 2048
    return LlavaSettings(
        projector_type=config.get("mm_projector_type", "linear"),
        # the last but one: CLIP's last layer turns to the whole picture (ablations of arXiv 2304.08485)
        select_layer=config.get("mm_vision_select_layer", -2),
        select_feature=config.get("mm_vision_select_feature", "patch"),
        image_aspect_ratio=config.get("image_aspect_ratio") or "square",
        patch_merge_type=config.get("mm_patch_merge_type", "flat"),
        image_grid_pinpoints=_pinpoints(config.get("image_grid_pinpoints")),
        use_im_start_end=bool(config.get("mm_use_im_start_end", False)),
        image_size=square_side(tower.image_size),
        patch_size=square_side(tower.patch_size),
        max_length=int(length),
        template=template,
    )


def read_saved_settings(config: PreTrainedConfig, folder_name: str) -> LlavaSettings:
    """Settings of a transformers LLaVA or LLaVA-NeXT that gesso did not save.

    Pictures are padded or tiled as the original models had it in training, whatever the image processor
    beside the weights does.

    Raises:
        UnsupportedError: several feature layers, or a projector without biases or exact GELU.
    """
    # a list joins layers side by side, for a wider projector
    if not isinstance(config.vision_feature_layer, int):
        raise UnsupportedError(f"vision_feature_layer {config.vision_feature_layer}; allowed: one number")
    if config.projector_hidden_act != "gelu" or not config.multimodal_projector_bias:
        raise UnsupportedError(
            f"projector_hidden_act {config.projector_hidden_act}, multimodal_projector_bias "
            f"{config.multimodal_projector_bias}; allowed: gelu, true"
        )
    tiled = config.model_type == "llava_next"
    pairs = config.image_grid_pinpoints if tiled else []
    return LlavaSettings(
        projector_type="mlp2x_gelu",
        select_layer=config.vision_feature_layer,
        select_feature="patch" if config.vision_feature_select_strategy == "default" else "cls_patch",
        image_aspect_ratio="anyres" if tiled else "pad",
        patch_merge_type="spatial_unpad" if tiled else "flat",
        # transformers writes (height, width)
        image_grid_pinpoints=tuple((width, height) for height, width in pairs),
        image_size=square_side(config.vision_config.image_size),
        patch_size=square_side(config.vision_config.patch_size),
        # transformers' folders name no other limit
        max_length=config.text_config.max_position_embeddings,
        template=choose_template(config.to_dict(), folder_name),
    )


def choose_template(config: Mapping[str, Any], folder_name: str) -> str:
    """The conversation template a LLaVA was trained with.

    What the config says decides: language model, vocabulary, the name of the model it was trained from, type
    of projector. Only where that leaves it open does the folder's name decide, by the original's own rules.

    Args:
        config: a flat or nested config.json.
        folder_name: name of the checkpoint's folder or repository.
    """
    text = config.get("text_config") or config
    source = str(config.get("_name_or_path") or text.get("_name_or_path") or "").lower()
    family = _family(text)
    if family in ("mistral", "mpt"):
        return {"mistral": "mistral_instruct", "mpt": "mpt"}[family]
    # the 34B calls itself a llama like Vicuna; its vocabulary gives it away
    if text.get("vocab_size") in YI_VOCABULARY:
        return "chatml_direct"
    # Vicuna 1.5 was itself trained from LLaMA-2, and names of its checkpoints may say so
    if "llama-2" in source and "vicuna" not in source:
        return "llava_llama_2"
    if "vicuna" in source:
        return "vicuna_v1"
    named = template_name_for(folder_name)
    if named in ("llava_llama_2", "chatml_direct"):
        return named
    # the two-layer projector came with 1.5, whose data and benchmarks use Vicuna's own wording
    if str(config.get("mm_projector_type", "")).startswith("mlp") or not is_original(config):
        return "vicuna_v1"
    return named if named in ("llava_v0", "llava_v1") else "vicuna_v1"


def _family(config: Mapping[str, Any]) -> str:
    """The name in `FAMILIES` of a config's language model, from model_type and architectures."""
    said = [str(config.get("model_type") or ""), *(config.get("architectures") or [])]
    names = [name.lower() for name in said]
    for family in ("mistral", "mpt", "llama"):
        if any(family in name for name in names):
            return family
    if "llava" in names:  # all that early LLaVA configs say
        return "llama"
    raise UnsupportedError(f"a language model of type {' / '.join(said)!r}; allowed: {', '.join(FAMILIES)}")


def _pinpoints(value: Any) -> tuple[tuple[int, int], ...]:
    """(width, height) pairs from a list or its text."""
    try:
        # the original's trainer takes the list as text, and some configs keep it so; it is read as data
        pairs = ast.literal_eval(value) if isinstance(value, str) else value or ()
        return tuple((int(width), int(height)) for width, height in pairs)
    except (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise CheckpointError(
            f"image_grid_pinpoints is {value!r}; it must be a list of (width, height)"
        ) from error
