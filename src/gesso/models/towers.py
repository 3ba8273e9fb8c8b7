"""CLIP vision towers: their published shapes, their configs and the names of their weights."""

from collections.abc import Mapping
from typing import Any, Final

from transformers import CLIPVisionConfig

from gesso.core.errors import UnsupportedError
from gesso.models.checkpoints import KeyRule

__all__ = ["KNOWN_CLIPS", "clip_keys", "read_tower_config", "square_side"]

LARGE: Final[Mapping[str, Any]] = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "patch_size": 14, "projection_dim": 768,
}  # fmt: skip
KNOWN_CLIPS: Final[Mapping[str, Mapping[str, Any]]] = {
    "openai/clip-vit-large-patch14-336": {**LARGE, "image_size": 336},
    "openai/clip-vit-large-patch14": {**LARGE, "image_size": 224},
}
"""Shapes of the published models' towers, so that a checkpoint with its own needs no second download."""


def clip_keys(prefix: str) -> tuple[KeyRule, ...]:
    """Rules for the file of a CLIP (whole, or its vision half): `vision_model.*` goes behind the prefix."""
    return (
        KeyRule(r".*\.position_ids", None),
        # the other half of a full CLIP
        KeyRule(r"(?:text_model|text_projection|visual_projection)\..*|logit_scale", None),
        KeyRule(r"(vision_model\..*)", rf"{prefix}\1"),
    )


def read_tower_config(config: Mapping[str, Any]) -> CLIPVisionConfig:
    """The vision config of a CLIP checkpoint's config.json (of the tower alone or of both halves).

    Raises:
        UnsupportedError: the tower is no CLIP.
    """
    kind = config.get("model_type")
    if kind == "clip":
        return CLIPVisionConfig.from_dict(dict(config["vision_config"]))
    if kind == "clip_vision_model":
        return CLIPVisionConfig.from_dict(dict(config))
    raise UnsupportedError(f"a vision tower of type {kind!r}; allowed: clip, clip_vision_model")


def square_side(value: Any) -> int:
    """A side in pixels from a config's number or equal pair."""
    sides = {value} if isinstance(value, int) else set(value or ())
    if len(sides) != 1:
        raise UnsupportedError(f"tower of {value} px; only square pictures and patches are supported")
    return int(sides.pop())
