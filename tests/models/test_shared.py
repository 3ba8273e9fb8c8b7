"""What a folder borrows comes back: whole, changed a little, changed in a few directions, grown."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.models.shared import borrow, read_shared

any_change = given(
    shape=st.sampled_from([(16, 16), (8, 4, 3, 3), (5, 7)]),
    seed=st.integers(1, 1000),
    size=st.sampled_from([1e-3, 0.1, 0.5]),
)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _lent(
    folder: Path, ours: Tensor, theirs: Tensor, name: str = "w", other: str = "w", bits: int = 8
) -> tuple[dict[str, Tensor], Tensor]:
    """What our file holds of a weight after borrowing, and how the weight is read back."""
    for place, key, tensor in (("ours", name, ours), ("theirs", other, theirs)):
        (folder / place).mkdir(exist_ok=True)
        save_file({key: tensor}, folder / place / "model.safetensors")
    borrow(folder / "ours", folder / "theirs" / "model.safetensors", bits)
    found = read_shared(folder / "ours")
    assert found is not None
    return load_file(folder / "ours" / "model.safetensors"), found[name]


def test_an_equal_weight_is_not_kept(tmp_path: Path) -> None:
    weight = _random(8, 8)
    kept, found = _lent(tmp_path, weight, weight)
    assert kept == {}
    assert torch.equal(found, weight)


def test_a_change_in_few_directions_is_kept_as_two_factors(tmp_path: Path) -> None:
    weight = _random(64, 64)
    changed = weight + 0.1 * torch.outer(_random(64, seed=1), _random(64, seed=2))
    kept, found = _lent(tmp_path, changed, weight)
    assert {name: tuple(each.shape) for name, each in kept.items()} == {"w.up": (64, 1), "w.down": (1, 64)}
    torch.testing.assert_close(found, changed, atol=1e-3, rtol=0)


def test_rows_below_the_other_s_are_kept(tmp_path: Path) -> None:
    weight, more = _random(8, 4), _random(3, 4, seed=1)
    kept, found = _lent(tmp_path, torch.cat([weight, more]), weight)
    assert set(kept) == {"w.rows"}
    torch.testing.assert_close(found, torch.cat([weight, more]), atol=1e-3, rtol=1e-3)


@settings(max_examples=30, deadline=None)
@any_change
def test_any_other_change_is_kept_in_eight_bits(
    shape: tuple[int, ...], seed: int, size: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weight, change = _random(*shape), size * _random(*shape, seed=seed)
    kept, found = _lent(tmp_path_factory.mktemp("pair"), weight + change, weight)
    assert kept["w.change"].dtype == torch.int8
    assert kept["w.largest"].dtype == torch.float16
    step = change.abs().amax(dim=tuple(range(1, change.ndim)), keepdim=True) / 127
    # half a level, and what halves add to the largest and to the sum
    assert bool(((found - weight - change).abs() <= 0.57 * step + 1e-6).all())


@settings(max_examples=30, deadline=None)
@any_change
def test_or_in_four_where_that_is_asked_for(
    shape: tuple[int, ...], seed: int, size: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weight, change = _random(*shape), size * _random(*shape, seed=seed)
    kept, found = _lent(tmp_path_factory.mktemp("pair"), weight + change, weight, bits=4)
    groups = -(-change.numel() // 32)
    assert kept["w.change"].dtype == torch.uint8
    assert (kept["w.change"].numel(), kept["w.largest"].numel()) == (16 * groups, groups)
    # half a level of the coarsest steps, or what the narrowest cut takes off a peak
    assert float((found - weight - change).abs().max()) <= 0.21 * float(change.abs().max()) + 1e-6


def test_other_depths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bits 6 .* allowed: 8 and 4"):
        borrow(tmp_path, tmp_path, bits=6)


def test_what_is_nothing_like_the_other_stays_whole(tmp_path: Path) -> None:
    weight = _random(16, 16)
    kept, found = _lent(tmp_path, -weight, weight, name="v")
    assert set(kept) == {"v"}
    torch.testing.assert_close(found.float(), -weight, atol=2e-3, rtol=1e-3)


def test_the_same_place_of_a_layer_is_begun_from_however_far_it_moved(tmp_path: Path) -> None:
    weight = _random(16, 16)
    name, other = "language_model.layers.0.mlp.weight", "language_model.model.layers.0.mlp.weight"
    kept, found = _lent(tmp_path, -weight, weight, name=name, other=other)
    assert set(kept) == {f"{name}.change", f"{name}.largest"}
    torch.testing.assert_close(found, -weight, atol=0.05, rtol=0)
