"""The high-resolution tower: an OpenCLIP ConvNeXt whose four stages become one map.

The network is transformers' ConvNeXt; the table of names leads there from those of timm, in which OpenCLIP
and Mini-Gemini publish it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import ConvNextConfig, ConvNextModel

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import KeyRule
from gesso.models.mgm.views import resize

__all__ = ["AUX_PREFIX", "OPENCLIP_KEYS", "DetailTower", "detail_config", "detail_rules", "map_width"]

AUX_PREFIX: Final = "model.vision_tower_aux."
"""What stands before the tower's names in a Mini-Gemini checkpoint."""

OPENCLIP_KEYS: Final = (
    KeyRule(r"visual\.trunk\.stem\.(.*)", rf"{AUX_PREFIX}vision_stem.\1"),
    KeyRule(r"visual\.trunk\.stages\.(.*)", rf"{AUX_PREFIX}vision_stages.\1"),
    # pooling, projection and the text tower are for comparing pictures with texts
    KeyRule(r"visual\.(?:head|trunk\.head|trunk\.norm_pre)\..*", None),
    KeyRule(r"(?:transformer|token_embedding|ln_final)\..*|positional_embedding|text_projection", None),
    KeyRule(r"logit_scale|logit_bias|attn_mask", None),
)
"""From the file of a whole OpenCLIP to the names in a Mini-Gemini checkpoint."""

BLOCK_NAMES: Final = {
    r"gamma": "layer_scale_parameter",
    r"conv_dw\.(\w+)": r"dwconv.\3",
    r"norm\.(\w+)": r"layernorm.\3",
    r"mlp\.fc1\.(\w+)": r"pwconv1.\3",
    r"mlp\.fc2\.(\w+)": r"pwconv2.\3",
}
"""Names within a block: timm's, then transformers'."""


class DetailTower(ConvNextModel):
    """A ConvNeXt that gives the maps of all its stages side by side.

    Letters: B pictures, H their side, C the widths of all stages together.
    """

    def __init__(self, config: ConvNextConfig) -> None:
        super().__init__(config)
        # for the pooled output, which no one asks for and no checkpoint has weights for
        self.add_module("layernorm", nn.Identity())

    def detail_map(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, H] -> [B, C, H/4, H/4]; stages of larger strides are brought to that size."""
        maps = [self.embeddings(pixels)]  # [B, C_0, H/4, H/4]
        for stage in self.encoder.stages:
            maps.append(stage(maps[-1]))  # [B, C_k, H/2^(k+2), H/2^(k+2)]
        # without the stem's output
        return torch.cat([resize(stage, maps[0].shape[-1]) for stage in maps[1:]], dim=1)


def map_width(config: ConvNextConfig) -> int:
    """C, the width of a cell of the map."""
    return sum(config.hidden_sizes or ())


def detail_rules(target: str) -> list[KeyRule]:
    """From Mini-Gemini's names (`model.vision_tower_aux.*`) to transformers', behind a prefix."""
    prefix = re.escape(AUX_PREFIX)
    stage = rf"{prefix}vision_stages\.(\d+)\."
    return [
        KeyRule(rf"{prefix}vision_stem\.0\.(\w+)", rf"{target}embeddings.patch_embeddings.\1"),
        KeyRule(rf"{prefix}vision_stem\.1\.(\w+)", rf"{target}embeddings.layernorm.\1"),
        KeyRule(rf"{stage}downsample\.([01])\.(\w+)", rf"{target}encoder.stages.\1.downsampling_layer.\2.\3"),
        *(
            KeyRule(rf"{stage}blocks\.(\d+)\.{name}", rf"{target}encoder.stages.\1.layers.\2.{ours}")
            for name, ours in BLOCK_NAMES.items()
        ),
    ]


def detail_config(shapes: Mapping[str, Sequence[int]], name: str) -> ConvNextConfig:
    """The shape of a tower, read off its weights.

    Args:
        shapes: of the weights, under Mini-Gemini's names.
        name: of the tower; "xxlarge" ones have another epsilon.

    Raises:
        CheckpointError: there are no such weights.
    """
    depths = _depths(shapes)
    widths = [shapes[f"{AUX_PREFIX}vision_stages.{k}.blocks.0.conv_dw.weight"][0] for k in range(len(depths))]
    fields: dict[str, Any] = {"num_stages": len(depths), "depths": depths, "hidden_sizes": widths}
    # timm's; transformers' own default is smaller
    return ConvNextConfig(**fields, layer_norm_eps=1e-5 if "xxlarge" in name else 1e-6)


def _depths(keys: Iterable[str]) -> list[int]:
    """Blocks of each stage."""
    pattern = re.compile(rf"{re.escape(AUX_PREFIX)}vision_stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.weight")
    found = [(int(match[1]), int(match[2])) for key in keys if (match := pattern.fullmatch(key))]
    if not found:
        raise CheckpointError("there are no weights of a high-resolution tower "
                              f"({AUX_PREFIX}vision_stages.*); give tower_aux")  # fmt: skip
    stages = range(max(stage for stage, _ in found) + 1)
    return [1 + max((block for s, block in found if s == stage), default=-1) for stage in stages]
