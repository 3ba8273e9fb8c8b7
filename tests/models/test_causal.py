import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

import tiny
from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.causal import load_language_model
from gesso.models.quantised import dense_tensors, group_keys
from models.bitsandbytes_packing import pack_state

CPU = torch.device("cpu")
BITSANDBYTES = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}


def load(folder: Path) -> LlamaForCausalLM:
    return load_language_model(folder, dtype=torch.float32, device=CPU)


def packed_folder(folder: Path, bits: int) -> dict[str, torch.Tensor]:
    """A folder as bitsandbytes leaves it; returns what its weights stand for."""
    model = tiny.llama()
    packed = pack_state(model.state_dict(), bits=bits)
    save_file({key: tensor.contiguous() for key, tensor in packed.items()}, folder / "model.safetensors")
    config = {**model.config.to_dict(), "quantization_config": {**BITSANDBYTES, "load_in_8bit": bits == 8}}
    (folder / "config.json").write_text(json.dumps(config))
    return dense_tensors(group_keys(packed), packed, torch.float32)


def test_a_plain_folder_loads_as_it_is(tmp_path: Path) -> None:
    tiny.llama_folder(tmp_path)
    loaded = load(tmp_path)
    assert not loaded.training
    for name, weight in tiny.llama().state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_packed_folder_is_unpacked_without_bitsandbytes(tmp_path: Path, bits: int) -> None:
    dense = packed_folder(tmp_path, bits)
    loaded = load(tmp_path)
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, dense[name]), name
    assert not hasattr(loaded.config, "quantization_config")


def test_the_checkpoints_end_tokens_come_along(tmp_path: Path) -> None:
    tiny.llama_folder(tmp_path)
    GenerationConfig(eos_token_id=[7, 9]).save_pretrained(tmp_path)
    assert load(tmp_path).generation_config.eos_token_id == [7, 9]


def test_constants_of_early_files_are_dropped_and_other_keys_refused(tmp_path: Path) -> None:
    tiny.llama_folder(tmp_path)
    tensors = dict(tiny.llama().state_dict())
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(tensors, tmp_path / "model.safetensors")
    assert torch.equal(load(tmp_path).lm_head.weight, tensors["lm_head.weight"])
    save_file({**tensors, "model.extra": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"unexpected: model\.extra"):
        load(tmp_path)


def test_a_window_wider_than_the_context_is_none(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Phi3Config(**sizes, vocab_size=64, max_position_embeddings=32, sliding_window=64, pad_token_id=0)
    Phi3ForCausalLM(config).save_pretrained(tmp_path)
    assert load(tmp_path).config.sliding_window is None


def test_the_rope_of_phi_3_files_of_2024_is_understood(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Phi3Config(**sizes, vocab_size=64, max_position_embeddings=64, pad_token_id=0)
    Phi3ForCausalLM(config).save_pretrained(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    del fields["rope_parameters"]
    scaling = {"type": "su", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    fields |= {"rope_scaling": scaling, "rope_theta": 10000.0, "original_max_position_embeddings": 16}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    loaded = load(tmp_path)
    assert loaded.config.rope_parameters["rope_type"] == "longrope"
    assert loaded(torch.arange(20)[None]).logits.isfinite().all()


def test_other_packings_are_refused_by_name(tmp_path: Path) -> None:
    packed_folder(tmp_path, 4)
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedError, match="packed by 'gptq'"):
        load(tmp_path)


def test_folders_without_config_weights_or_language_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "unheard-of"}')
    with pytest.raises(CheckpointError, match="cannot read the config"):
        load(tmp_path)
    tiny.llama().config.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="holds no weights"):
        load(tmp_path)
    tiny.clip_folder(tmp_path)
    with pytest.raises(UnsupportedError, match="'clip' belongs to no causal language model"):
        load(tmp_path)
