from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engines.subjects import ip_adapter_file
from gesso.core.errors import CheckpointError
from gesso.models.moma.adapter_file import find_adapter, read_adapter, write_adapter
from gesso.models.moma.ip_adapter_file import is_ip_adapter, read_ip_adapter

PUBLISHED = Path(__file__).parents[2] / "fixtures" / "moma" / "adapter-file" / "attn_adapters_projectors.th"


@pytest.fixture
def nested():
    return torch.load(PUBLISHED, weights_only=True)


def read(nested, path):
    torch.save(nested, path / "a.th")
    return read_adapter(path / "a.th")


def test_both_forms_hold_the_same(tmp_path):
    file = read_adapter(PUBLISHED)
    write_adapter(tmp_path / "attn_adapters_projectors.safetensors", file)
    again = read_adapter(find_adapter(tmp_path))
    for one, other in ((file.mapping, again.mapping), (file.projection, again.projection)):
        for key, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[key])
    assert all(torch.equal(tensor, again.attention[key]) for key, tensor in file.attention.items())


def test_the_files_own_precision_is_kept_for_layers():
    file = read_adapter(PUBLISHED, torch.bfloat16)
    assert file.attention["0.to_k_ip.weight"].dtype == torch.float16
    assert file.attention["1.to_k_ip.weight"].dtype == torch.float32
    assert file.projection.proj.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda n: n.pop("projectors"), "lacks projectors"),
        (lambda n: n["projectors"].pop("norm.bias"), r"missing: norm\.bias"),
        (lambda n: n["llm_mapping"].pop("mapping.up_proj.weight"), r"missing: up_proj\.weight"),
        (lambda n: n["self_cross_attentions"].update({"0.extra": torch.ones(1)}), "no place for"),
        (lambda n: n["projectors"].update({"proj.weight": torch.ones(48, 3)}), "of another shape"),
        (lambda n: n.update({"more": 3}), "no adapter file"),
    ],
)
def test_every_key_is_accounted_for(nested, tmp_path, change, said):
    change(nested)
    with pytest.raises(CheckpointError, match=said):
        read(nested, tmp_path)


def test_damaged_and_missing_files_are_told(tmp_path):
    (tmp_path / "a.th").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"cannot read .*a\.th"):
        read_adapter(tmp_path / "a.th")
    with pytest.raises(CheckpointError, match="has no MoMA adapter"):
        find_adapter(tmp_path)


def test_nothing_in_a_pickle_is_run(tmp_path):
    torch.save({"projectors": Path("/")}, tmp_path / "a.th")
    with pytest.raises(CheckpointError, match="cannot read"):
        read_adapter(tmp_path / "a.th")


def test_ip_adapters_are_read_in_both_forms(tmp_path):
    flat = ip_adapter_file(tmp_path)
    assert is_ip_adapter(flat)
    file = read_ip_adapter(flat)
    nested = {
        "image_proj": file.projection.state_dict(),
        "ip_adapter": file.attention,
    }
    torch.save(nested, tmp_path / "ip-adapter_tiny.bin")
    again = read_ip_adapter(tmp_path / "ip-adapter_tiny.bin")
    assert set(again.attention) == set(file.attention)
    assert torch.equal(again.projection.proj.weight, file.projection.proj.weight)
    save_file({"image_proj.latents": torch.ones(1)}, tmp_path / "ip-adapter-plus.safetensors")
    with pytest.raises(CheckpointError, match="no place for"):
        read_ip_adapter(tmp_path / "ip-adapter-plus.safetensors")
