import pytest
import torch
from torch import nn

from gesso.core.errors import UnsupportedError
from gesso.nn.projectors import build_projector, projector_depth


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("linear", ["weight", "bias"]),
        ("mlp1x_gelu", ["0.weight", "0.bias"]),
        ("mlp3x_gelu", ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]),
    ],
)
def test_keys_are_the_originals(kind, keys):
    projector = build_projector(kind, 6, 8)
    assert list(projector.state_dict()) == keys
    assert projector(torch.zeros(2, 3, 6)).shape == (2, 3, 8)


def test_two_layers_have_an_exact_gelu_between_them():
    projector = build_projector("mlp2x_gelu", 6, 8)
    x = torch.randn(5, 6)
    expected = projector[2](nn.functional.gelu(projector[0](x), approximate="none"))
    assert torch.equal(projector(x), expected)


def test_identity_needs_equal_widths():
    x = torch.randn(2, 6)
    assert build_projector("identity", 6, 6)(x) is x
    with pytest.raises(UnsupportedError, match="widths 6 and 8"):
        build_projector("identity", 6, 8)


@pytest.mark.parametrize("kind", ["", "mlp_gelu", "mlp0x_gelu", "mlp2x_relu", "linear2", "resampler"])
def test_other_types_are_refused(kind):
    with pytest.raises(UnsupportedError, match="allowed: linear"):
        projector_depth(kind)
