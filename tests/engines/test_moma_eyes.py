"""On a GPU that is not there: torch's meta device takes weights and computes nothing."""

import pytest
import torch
from torch import nn

from engines.subjects import moma_folder
from gesso.core.errors import MissingExtraError, UsageError
from gesso.engines import moma_eyes
from gesso.engines.moma_eyes import load_moma_eyes

GPU = torch.device("meta")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return moma_folder(tmp_path_factory.mktemp("moma"))


def load(folder, vram=None, bits=None, device=GPU):
    return load_moma_eyes(folder, folder, device, vram, bits)[0].reader


def places(reader):
    return {parameter.device.type for parameter in reader.chat.module.parameters()}


def test_it_is_on_the_gpu_or_comes_and_goes_or_stays_away(folder):
    assert places(load(folder)) == {"meta"}
    assert places(load(folder, vram=8)) == {"meta"}
    assert places(load(folder, vram=4)) == {"cpu"}
    assert places(load(folder, device=torch.device("cpu"))) == {"cpu"}


def test_only_the_language_model_is_packed_and_halves_go_with_it(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(moma_eyes, "can_pack", lambda: True)
    monkeypatch.setattr(moma_eyes, "pack_linears", lambda module, bits: asked.append((module, bits)))
    reader = load(folder, bits=4)
    assert asked == [(reader.chat.module.model.language_model, 4)]
    assert {p.dtype for p in reader.chat.module.parameters()} == {torch.float16}
    assert reader.mapping.gate_proj.weight.dtype == torch.float16
    load(folder)
    assert len(asked) == 1


def test_bits_that_cannot_be_are_refused(folder, monkeypatch):
    monkeypatch.setattr(moma_eyes, "can_pack", lambda: False)
    with pytest.raises(MissingExtraError, match="pack"):
        load(folder, bits=8)
    with pytest.raises(UsageError, match="Apple"):
        load(folder, bits=8, device=torch.device("mps"))
    assert isinstance(load(folder, bits=16).mapping, nn.Module)
