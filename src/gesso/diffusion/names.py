"""The names that the modules of a UNet have in single files and in LoRAs of the older kinds.

Stability's code counts input and output blocks through all levels; diffusers counts levels and layers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["stability_names"]

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
"""Modules of a residual block: diffusers -> Stability."""

ENDS = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
"""Modules outside the blocks: diffusers -> Stability."""


def stability_names(config: Mapping[str, Any], modules: list[str]) -> dict[str, str]:
    """Name in diffusers -> name in Stability's code, for the modules of a UNet.

    Args:
        config: of the UNet.
        modules: names to translate; those that hold no weights of their own may be among them.
    """
    blocks = dict(_blocks(config))
    return {name: found for name in modules if (found := _translated(name, blocks)) is not None}


def _blocks(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names of residual blocks, transformers and resamplers: diffusers -> Stability."""
    layers = config["layers_per_block"]
    for level in range(len(config["down_block_types"])):
        first = 1 + level * (layers + 1)
        for layer in range(layers):
            yield f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{first + layer}.0"
            yield f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{first + layer}.1"
        yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{first + layers}.0.op"
    for part, number in (("resnets.0", 0), ("attentions.0", 1), ("resnets.1", 2)):
        yield f"mid_block.{part}", f"middle_block.{number}"
    for level, kind in enumerate(config["up_block_types"]):
        first = level * (layers + 1)
        for layer in range(layers + 1):
            yield f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{first + layer}.0"
            yield f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{first + layer}.1"
        place = 2 if "CrossAttn" in kind else 1  # behind the transformer, if there is one
        yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{first + layers}.{place}.conv"


def _translated(name: str, blocks: Mapping[str, str]) -> str | None:
    if name in ENDS:
        return ENDS[name]
    if name in blocks:
        return blocks[name]
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        block, inner = ".".join(parts[:end]), ".".join(parts[end:])
        if block in blocks:
            is_resnet = ".resnets." in f".{block}."
            return f"{blocks[block]}.{RESNET.get(inner, inner) if is_resnet else inner}"
    return None
