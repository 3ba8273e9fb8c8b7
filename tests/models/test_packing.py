"""bitsandbytes itself packs on GPUs; here stands what it is asked for."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from gesso.core.errors import MissingExtraError
from gesso.models import packing
from gesso.models.packing import pack_linears, packed_gigabytes


class Asked(nn.Linear):
    """A packed map as asked for; its arguments are kept, and it computes as before."""

    def __init__(self, inward, outward, bias, *, device, **settings):
        super().__init__(inward, outward, bias, device=device)
        self.settings = settings


class AskedWeight(nn.Parameter):
    def __new__(cls, data, requires_grad, **settings):
        made = super().__new__(cls, data, requires_grad)
        made.settings = settings
        return made


@pytest.fixture
def library(monkeypatch):
    found = ModuleType("bitsandbytes")
    found.__spec__ = ModuleSpec("bitsandbytes", None)
    found.nn = SimpleNamespace(
        Linear8bitLt=Asked, Linear4bit=Asked, Int8Params=AskedWeight, Params4bit=AskedWeight
    )
    monkeypatch.setitem(sys.modules, "bitsandbytes", found)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 8), nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6)), nn.Linear(6, 4))


@pytest.mark.parametrize(
    ("bits", "of_map", "of_weight"),
    [
        (8, {"has_fp16_weights": False, "threshold": 6.0}, {"has_fp16_weights": False}),
        (
            4,
            {"compute_dtype": torch.float16, "quant_type": "nf4", "compress_statistics": True},
            {"quant_type": "nf4", "compress_statistics": True},
        ),
    ],
)
@pytest.mark.usefixtures("library")
def test_linear_maps_are_packed_as_published_and_nothing_else(bits, of_map, of_weight):
    module = model().half()
    plain = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    pack_linears(module, bits)
    for packed in (module[1][0], module[2]):
        assert packed.settings == of_map
        assert packed.weight.settings == of_weight
        assert not packed.weight.requires_grad
    assert type(module[0]) is nn.Embedding
    assert type(module[1][1]) is nn.LayerNorm
    assert all(torch.equal(tensor, plain[name]) for name, tensor in module.state_dict().items())


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(packing, "find_spec", lambda name: None)  # hides it where it is installed
    with pytest.raises(MissingExtraError, match="pack"):
        pack_linears(model(), 4)


def test_only_linear_maps_get_smaller():
    module = model()
    linear, rest = 8 * 6 + 6 * 4, 5 * 8 + 6 + 6 + 6 + 4
    assert packed_gigabytes(module, 16) == pytest.approx((linear + rest) * 2e-9)
    assert packed_gigabytes(module, 4) == pytest.approx((linear / 2 + rest * 2) * 1e-9)
