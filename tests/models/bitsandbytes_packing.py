"""Packs weights as bitsandbytes does, from the formulas; the inverse of what gesso reads."""

import json
from collections.abc import Mapping

import torch
from torch import Tensor

# quantiles of a normal distribution, scaled to [-1, 1] (QLoRA, arXiv 2305.14314, appendix E)
NF4 = torch.tensor([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
])  # fmt: skip
BLOCK = 64


def pack_4_bits(name: str, weight: Tensor) -> dict[str, Tensor]:
    """The parts of a weight in NF4, by key."""
    blocks = weight.flatten().view(-1, BLOCK)  # [N] -> [N / 64, 64]
    scale = blocks.abs().amax(1)
    codes = ((blocks / scale[:, None])[..., None] - NF4).abs().argmin(-1).flatten().to(torch.uint8)  # [N]
    state = {"quant_type": "nf4", "blocksize": BLOCK, "dtype": "bfloat16", "shape": list(weight.shape)}
    return {
        name: (codes[0::2] << 4 | codes[1::2])[:, None],  # [N / 2, 1]
        f"{name}.absmax": scale,
        f"{name}.quant_map": NF4.clone(),
        f"{name}.quant_state.bitsandbytes__nf4": torch.tensor(
            list(json.dumps(state).encode()), dtype=torch.uint8
        ),
    }


def pack_8_bits(name: str, weight: Tensor) -> dict[str, Tensor]:
    """The parts of a weight in LLM.int8, by key."""
    largest = weight.abs().amax(1)
    module = name.removesuffix(".weight")
    return {
        name: (weight / largest[:, None] * 127).round().to(torch.int8),
        f"{module}.SCB": largest,
        f"{module}.weight_format": torch.tensor(0, dtype=torch.uint8),
    }


def pack_state(state: Mapping[str, Tensor], *, bits: int) -> dict[str, Tensor]:
    """A language model's weights with its linear layers packed, as transformers saves them."""
    pack = pack_4_bits if bits == 4 else pack_8_bits
    packed: dict[str, Tensor] = {}
    for name, weight in state.items():
        linear = name.endswith("_proj.weight")
        packed |= pack(name, weight) if linear else {name: weight}
    return packed
