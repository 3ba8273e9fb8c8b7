"""Linear maps packed to 8 or 4 bits by bitsandbytes, in a model that is already in memory.

8 bit is LLM.int8 (arXiv 2208.07339), 4 bit is NF4 with packed scales (QLoRA, arXiv 2305.14314). bitsandbytes
packs when a map comes to the GPU, so a packed model is made on the CPU and then moved.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from torch import nn

from gesso.core.errors import MissingExtraError

__all__ = ["PACKED_BITS", "can_pack", "pack_linears", "packed_gigabytes"]

PACKED_BITS: Final = (8, 4)

OUTLIERS: Final = 6.0
"""Size from which on LLM.int8 keeps inputs in 16 bits, as in its paper."""


def can_pack() -> bool:
    """Whether bitsandbytes is installed."""
    return find_spec("bitsandbytes") is not None


def pack_linears(module: nn.Module, bits: int) -> None:
    """Replace the linear maps of a model on the CPU, in place; the rest keeps its precision.

    Args:
        module: what is packed; its own subclasses of linear maps are left as they are.
        bits: 8 or 4.

    Raises:
        MissingExtraError: bitsandbytes is not installed.
    """
    if not can_pack():
        raise MissingExtraError("bitsandbytes", "pack")
    library: Any = import_module("bitsandbytes").nn
    found = [(name, child) for name, child in module.named_modules() if type(child) is nn.Linear]
    for name, child in found:
        owner, _, last = name.rpartition(".")
        packed = _packed(library, child, bits)
        if child.bias is not None:
            packed.bias = child.bias
        setattr(module.get_submodule(owner), last, packed.requires_grad_(False))


def packed_gigabytes(module: nn.Module, bits: int) -> float:
    """What a model's weights take (10^9 bytes): linear maps in so many bits, the rest in 16."""
    linear = sum(child.weight.numel() for child in module.modules() if type(child) is nn.Linear)
    rest = sum(parameter.numel() for parameter in module.parameters()) - linear
    return (linear * bits + rest * 16) / 8e9


def _packed(library: Any, linear: nn.Linear, bits: int) -> nn.Module:
    shape = (linear.in_features, linear.out_features, linear.bias is not None)
    weight, dtype = linear.weight.data, linear.weight.dtype
    # on the meta device: the new map's own weight is thrown away
    if bits == 8:
        made = library.Linear8bitLt(*shape, has_fp16_weights=False, threshold=OUTLIERS, device="meta")
        made.weight = library.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    else:
        kinds = {"quant_type": "nf4", "compress_statistics": True}
        made = library.Linear4bit(*shape, compute_dtype=dtype, device="meta", **kinds)
        made.weight = library.Params4bit(weight, requires_grad=False, **kinds)
    packed: nn.Module = made
    return packed
