import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

import tiny
from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import (
    KeyRule,
    check_complete,
    fill,
    open_tensors,
    read_json,
    rename_keys,
    resolve_folder,
    weight_files,
)

RULES = [KeyRule(r".*\.inv_freq", None), KeyRule(r"a\.(.*)", r"b.\1"), KeyRule(r"c", "b.x")]


def test_keys_are_renamed_or_knowingly_dropped():
    assert rename_keys(["a.x", "a.inv_freq", "a.y.z"], RULES) == {"a.x": "b.x", "a.y.z": "b.y.z"}


def test_rules_match_whole_keys():
    with pytest.raises(CheckpointError, match=r"no place for: xa\.x$"):
        rename_keys(["xa.x"], RULES)


def test_unknown_keys_are_named_up_to_five():
    with pytest.raises(CheckpointError, match=r"k0, k1, k2, k3, k4 and 3 more"):
        rename_keys([f"k{n}" for n in range(8)], RULES)


def test_two_keys_of_one_weight_are_refused():
    with pytest.raises(CheckpointError, match=r"the same weight: b\.x"):
        rename_keys(["a.x", "c"], RULES)


def test_names_and_shapes_must_agree():
    module = nn.Linear(2, 3)
    check_complete({"weight": (3, 2), "bias": [3]}, module)
    with pytest.raises(
        CheckpointError, match=r"missing: bias; unexpected: gain; of another shape: weight \(\["
    ):
        check_complete({"weight": (2, 3), "gain": (1,)}, module)


def test_tied_weights_may_be_left_out_and_others_not():
    config = LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                         num_attention_heads=2, tie_word_embeddings=True)  # fmt: skip
    module = LlamaForCausalLM(config)
    shapes = {name: tensor.shape for name, tensor in module.state_dict().items() if name != "lm_head.weight"}
    check_complete(shapes, module)
    config.tie_word_embeddings = False
    with pytest.raises(CheckpointError, match=r"missing: lm_head\.weight"):
        check_complete(shapes, LlamaForCausalLM(config))


def test_filled_model_is_whole_and_of_the_asked_dtype():
    source = tiny.llama()
    model = fill(LlamaForCausalLM, source.config, source.state_dict(), torch.float32)
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, source(ids).logits)
    assert not model.training
    halved = fill(LlamaForCausalLM, source.config, source.state_dict(), torch.bfloat16)
    assert {p.dtype for p in halved.parameters()} == {torch.bfloat16}


def test_incomplete_model_is_refused():
    source = tiny.llama()
    tensors = source.state_dict()
    del tensors["model.norm.weight"]
    with pytest.raises(CheckpointError, match=r"do not fit LlamaForCausalLM: missing: model\.norm\.weight"):
        fill(LlamaForCausalLM, source.config, tensors, torch.float32)


@pytest.mark.parametrize("name", ["x.safetensors", "x.bin"])
def test_both_formats_are_read(tmp_path, name):
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.float16)}
    (save_file if name.endswith("safetensors") else torch.save)(tensors, tmp_path / name)
    read = open_tensors([tmp_path / name])
    assert read.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert read[key].dtype == tensor.dtype
        assert torch.equal(read[key], tensor)


def test_files_of_old_torch_are_read(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "x.bin", _use_new_zipfile_serialization=False)
    assert open_tensors([tmp_path / "x.bin"])["a"].tolist() == [0, 1, 2]


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("code of a checkpoint was run",))


@pytest.mark.parametrize("content", [pickle.dumps(Harmful(), protocol=2), b"", b"no tensors at all"])
@pytest.mark.parametrize("name", ["x.bin", "x.safetensors"])
def test_damaged_or_harmful_files_are_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot read"):
        open_tensors([tmp_path / name])


def test_code_inside_a_torch_file_is_not_run(tmp_path):
    torch.save({"a": Harmful()}, tmp_path / "x.bin")
    with pytest.raises(CheckpointError, match="cannot read"):
        open_tensors([tmp_path / "x.bin"])


@pytest.mark.parametrize("content", [[torch.ones(1)], {"epoch": 3}])
def test_files_of_other_things_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.bin")
    with pytest.raises(CheckpointError, match="does not hold tensors by name"):
        open_tensors([tmp_path / "x.bin"])


def test_repeated_keys_are_refused(tmp_path):
    paths = [tmp_path / name for name in ("x.bin", "y.bin")]
    for path in paths:
        torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="repeats key a"):
        open_tensors(paths)


def test_safetensors_come_before_pickles(tmp_path):
    assert weight_files(tmp_path) == []
    for name in ("pytorch_model.bin", "model.safetensors"):
        (tmp_path / name).touch()
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
    index = {"weight_map": {"a": "pytorch_model.bin", "b": "pytorch_model.bin"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_files(tmp_path) == [tmp_path / "pytorch_model.bin"]


@pytest.mark.parametrize("index", [{}, {"weight_map": ["a.bin"]}, {"weight_map": {"a": 1}}])
def test_a_damaged_index_is_refused(tmp_path, index):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"index\.json has no weight_map"):
        weight_files(tmp_path)


def test_folders_are_found_beside_a_checkpoint(tmp_path):
    (tmp_path / "tower").mkdir()
    assert resolve_folder("tower", beside=tmp_path) == tmp_path / "tower"
    assert resolve_folder(str(tmp_path)) == tmp_path
    for name in ("no-such-folder", "no/such", "no/such/folder"):
        with pytest.raises(CheckpointError, match="neither a folder nor a repository"):
            resolve_folder(name, beside=tmp_path)


@pytest.mark.parametrize("content", ["", "[1]", "{", "\xff", "[" * 100_000])
def test_json_that_is_no_object_is_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"x\.json"):
        read_json(path)
    with pytest.raises(CheckpointError, match="cannot read"):
        read_json(tmp_path / "absent.json")
