from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gesso.core.errors import CheckpointError
from gesso.models.quantised import dense_shapes, dense_tensors, group_keys
from models.bitsandbytes_packing import pack_4_bits, pack_8_bits

REFERENCE = Path(__file__).parent / "data" / "bitsandbytes-0.50.2.safetensors"
"""One weight [24, 128] packed and unpacked by bitsandbytes on a CPU: NF4, NF4 with nested scales, int8."""


def reference(name: str) -> tuple[dict[str, Tensor], Tensor]:
    """The parts of the weight, and what they stand for."""
    tensors = load_file(REFERENCE)
    parts = {key: value for key, value in tensors.items() if key.startswith(f"{name}.")}
    return parts, parts.pop(f"{name}.expected")


@pytest.mark.parametrize(("name", "tolerance"), [("plain", 0.0), ("nested", 0.0), ("int8", 2e-8)])
def test_weights_are_what_bitsandbytes_makes_of_them(name: str, tolerance: float) -> None:
    parts, expected = reference(name)
    dense = dense_tensors(group_keys(parts), parts, torch.float32)
    assert list(dense) == [f"{name}.weight"]
    assert (dense[f"{name}.weight"] - expected).abs().max() <= tolerance


@pytest.mark.parametrize(("pack", "step"), [(pack_4_bits, 0.16), (pack_8_bits, 1 / 254)])
def test_packed_and_unpacked_a_weight_is_off_by_half_a_step_at_most(pack, step: float) -> None:
    weight = torch.randn(8, 96, generator=torch.Generator().manual_seed(1))
    parts = pack("layer.weight", weight)
    dense = dense_tensors(group_keys(parts), parts, torch.float32)["layer.weight"]
    blocks = (weight.flatten().view(-1, 64), dense.flatten().view(-1, 64)) if step > 0.1 else (weight, dense)
    assert ((blocks[0] - blocks[1]).abs() <= step * blocks[0].abs().amax(1, keepdim=True)).all()


def test_weights_that_are_not_packed_stay_as_they_are() -> None:
    tensors = {"norm.weight": torch.ones(3, dtype=torch.float16)}
    assert dense_tensors(group_keys(tensors), tensors, torch.float32)["norm.weight"] is tensors["norm.weight"]


def test_shapes_are_known_before_anything_is_unpacked() -> None:
    parts = {**pack_4_bits("a.weight", torch.randn(4, 64)), **pack_8_bits("b.weight", torch.randn(4, 64))}
    parts["c.weight"] = torch.ones(5)
    shapes = {key: tensor.shape for key, tensor in parts.items()}
    wanted = {"a.weight": (4, 64), "b.weight": (4, 64), "c.weight": (5,)}
    assert dense_shapes(group_keys(parts), shapes, wanted) == wanted


@pytest.mark.parametrize("name", ["plain", "nested", "int8"])
def test_parts_of_another_size_are_named(name: str) -> None:
    parts, _ = reference(name)
    shapes = {key: tensor.shape for key, tensor in parts.items()}
    with pytest.raises(
        CheckpointError, match=rf"parts of {name}.weight are not of the sizes that \[8, 128\]"
    ):
        dense_shapes(group_keys(parts), shapes, {f"{name}.weight": (8, 128)})


@pytest.mark.parametrize("lost", ["nested.weight.absmax", "nested.weight.nested_quant_map", "nested.weight"])
def test_a_weight_with_a_part_missing_is_refused(lost: str) -> None:
    parts, _ = reference("nested")
    del parts[lost]
    with pytest.raises(CheckpointError, match="no whole bitsandbytes weight"):
        group_keys(parts)


def test_other_layouts_of_8_bits_are_refused() -> None:
    parts, _ = reference("int8")
    parts["int8.weight_format"] = torch.tensor(2, dtype=torch.uint8)
    with pytest.raises(CheckpointError, match="weight format 2"):
        dense_tensors(group_keys(parts), parts, torch.float32)


def test_a_damaged_state_is_refused_by_the_weights_name() -> None:
    parts, _ = reference("plain")
    parts["plain.weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(b"{"), dtype=torch.uint8)
    with pytest.raises(CheckpointError, match=r"cannot unpack plain\.weight"):
        dense_tensors(group_keys(parts), parts, torch.float32)
