"""Weights that bitsandbytes wrote, read without it: 4-bit (NF4, FP4) and 8-bit (LLM.int8).

Source: bitsandbytes 0.43 and later, `QuantState.as_dict(packed=True)` for 4 bit (QLoRA, arXiv 2305.14314) and
`Linear8bitLt._save_to_state_dict` for 8 bit (LLM.int8, arXiv 2208.07339). Every key of such a file belongs to
one weight, in one role; a key without a role is an error.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from gesso.core.errors import CheckpointError

__all__ = ["Stored", "dense_shapes", "dense_tensors", "group_keys"]

ROLES: Final = (
    (re.compile(r"(.+)\.(absmax|quant_map|nested_absmax|nested_quant_map)"), ""),
    (re.compile(r"(.+)\.(quant_state)\.bitsandbytes__(?:nf4|fp4)"), ""),
    (re.compile(r"(.+)\.(SCB|weight_format)"), ".weight"),
)
"""Patterns of keys that tell how a weight is packed, and what to add for the weight's own key."""

PLAIN: Final = frozenset({"packed"})
BITS8: Final = frozenset({"packed", "SCB", "weight_format"})
BITS4: Final = frozenset({"packed", "absmax", "quant_map", "quant_state"})
NESTED: Final = BITS4 | {"nested_absmax", "nested_quant_map"}
MEMBERS: Final = (PLAIN, BITS8, BITS8 - {"weight_format"}, BITS4, NESTED)
"""The sets of roles that a weight may have; files older than bitsandbytes 0.43 have no weight format."""

BLOCK: Final = 64
NESTED_BLOCK: Final = 256
ROW_FORMAT: Final = 0  # the layouts of early GPUs have other numbers


class Stored(NamedTuple):
    """The keys of one weight: role -> key. The weight's own key has the role "packed"."""

    name: str
    keys: Mapping[str, str]

    @property
    def roles(self) -> frozenset[str]:
        """All roles there are."""
        return frozenset(self.keys)


def group_keys(keys: Iterable[str]) -> list[Stored]:
    """The weights that keys belong to, in the order of their names.

    Raises:
        CheckpointError: parts of a packed weight are missing.
    """
    groups: dict[str, dict[str, str]] = {}
    for key in keys:
        name, role = _place(key)
        groups.setdefault(name, {})[role] = key
    stored = [Stored(name, groups[name]) for name in sorted(groups)]
    for item in stored:
        if item.roles not in MEMBERS:
            raise CheckpointError(f"{item.name} is stored as {', '.join(sorted(item.roles))}, which is "
                                  "no whole bitsandbytes weight; fetch the checkpoint again")  # fmt: skip
    return stored


def dense_shapes(
    stored: Iterable[Stored],
    shapes: Mapping[str, Sequence[int]],
    wanted: Mapping[str, Sequence[int]],
) -> dict[str, tuple[int, ...]]:
    """The shape of each weight once unpacked, with the sizes of all its parts checked.

    Args:
        stored: the weights.
        shapes: key -> shape; packed 4-bit weights do not show theirs.
        wanted: weight -> the shape a model has for it.

    Raises:
        CheckpointError: a part has another size than its weight asks for.
    """
    found = {}
    for item in stored:
        packed, shape = tuple(shapes[item.keys["packed"]]), tuple(wanted.get(item.name, ()))
        sizes = _sizes(item, shape)
        wrong = {role: size for role, size in sizes.items() if prod(shapes[item.keys[role]]) != size}
        if wrong:
            raise CheckpointError(f"parts of {item.name} are not of the sizes that {list(shape)} asks "
                                  f"for: {', '.join(sorted(wrong))}; another model's file?")  # fmt: skip
        found[item.name] = shape if "absmax" in sizes else packed
    return found


def dense_tensors(
    stored: Iterable[Stored], tensors: Mapping[str, Tensor], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Every weight as numbers of `dtype`; weights that are not packed are left as they are.

    Raises:
        CheckpointError: a weight is stored in a way that gesso does not know.
    """
    return {item.name: _dense(item, tensors, dtype) for item in stored}


def _place(key: str) -> tuple[str, str]:
    """The weight a key belongs to, and its role there."""
    for pattern, ending in ROLES:
        if found := pattern.fullmatch(key):
            return found[1] + ending, found[2]
    return key, "packed"


def _sizes(item: Stored, shape: tuple[int, ...]) -> dict[str, int]:
    """How many numbers each part of a packed weight of this shape has; a JSON text may have any."""
    count = prod(shape)
    if "absmax" in item.keys:
        blocks = -(-count // BLOCK)
        sizes = {"packed": -(-count // 2), "absmax": blocks, "quant_map": 16}
        nested = {"nested_absmax": -(-blocks // NESTED_BLOCK), "nested_quant_map": 256}
        return sizes | (nested if item.roles == NESTED else {})
    return {"packed": count, "SCB": shape[0] if shape else 0} if "SCB" in item.keys else {}


def _dense(item: Stored, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
    parts = {role: tensors[key] for role, key in item.keys.items()}
    if item.roles == PLAIN:
        return parts["packed"]
    try:
        return (_from_4_bits(parts) if "absmax" in parts else _from_8_bits(parts)).to(dtype)
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"cannot unpack {item.name}: {error}; fetch the checkpoint again") from error


def _from_4_bits(parts: Mapping[str, Tensor]) -> Tensor:
    """Weight i is quant_map[code i] * absmax[i // blocksize]; of two codes in a byte, the upper is first."""
    state: dict[str, Any] = json.loads(bytes(parts["quant_state"].tolist()))
    shape, block = [int(size) for size in state["shape"]], int(state["blocksize"])
    scale = parts["absmax"]
    if "nested_absmax" in parts:  # the scales are packed themselves, around their mean
        codes = parts["nested_quant_map"][scale.long()]
        outer = parts["nested_absmax"].repeat_interleave(int(state["nested_blocksize"]))[: len(codes)]
        scale = codes * outer + float(state["nested_offset"])
    packed = parts["packed"].flatten()  # [N / 2, 1] -> [N / 2]
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()[: prod(shape)]  # [N / 2, 2] -> [N]
    values = parts["quant_map"].float()[codes.int()]
    values = torch.nn.functional.pad(values, (0, -len(values) % block))
    values = values.view(-1, block)  # [N] -> [N / block, block]
    return (values * scale.float()[:, None]).flatten()[: prod(shape)].view(shape)  # -> [out, in]


def _from_8_bits(parts: Mapping[str, Tensor]) -> Tensor:
    """Each weight is code * SCB / 127, with one SCB for each row; [out, in]."""
    layout = int(parts.get("weight_format", torch.tensor(ROW_FORMAT)))
    if layout != ROW_FORMAT:
        raise ValueError(f"weight format {layout}; only rows ({ROW_FORMAT}) are known")
    return parts["packed"].float() * (parts["SCB"].float() / 127)[:, None]
