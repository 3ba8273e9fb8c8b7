import pytest
import torch

from gesso.core.errors import CheckpointError
from gesso.models.mgm.experts import stack_experts

PREFIX = "model.layers.0.block_sparse_moe.experts."


def experts(count):
    torch.manual_seed(0)
    shapes = {"w1": (6, 4), "w2": (4, 6), "w3": (6, 4)}
    return {f"{PREFIX}{e}.{w}.weight": torch.randn(shapes[w]) for e in range(count) for w in shapes}


def test_experts_are_joined_with_the_gate_first():
    given = experts(3)
    found = stack_experts({**given, "lm_head.weight": torch.ones(1)})
    assert set(found) == {f"{PREFIX}gate_up_proj", f"{PREFIX}down_proj", "lm_head.weight"}
    both, down = found[f"{PREFIX}gate_up_proj"], found[f"{PREFIX}down_proj"]
    assert (both.shape, down.shape) == ((3, 12, 4), (3, 4, 6))
    assert torch.equal(both[1, :6], given[f"{PREFIX}1.w1.weight"])
    assert torch.equal(both[1, 6:], given[f"{PREFIX}1.w3.weight"])
    assert torch.equal(down[2], given[f"{PREFIX}2.w2.weight"])


def test_a_missing_weight_is_named():
    given = experts(2)
    del given[f"{PREFIX}0.w3.weight"]
    with pytest.raises(CheckpointError, match=r"experts\.0\.w3\.weight"):
        stack_experts(given)
