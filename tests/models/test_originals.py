import pytest
import torch
from transformers import LlamaConfig

import tiny
from gesso.core.errors import CheckpointError
from gesso.models.originals import (
    add_picture_tokens,
    build_text_config,
    dtype_of,
    has_tokenizer,
    load_tokenizer,
    require_clean,
    unused_token,
)

SIZES = {"vocab_size": 9, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
         "num_attention_heads": 2}  # fmt: skip


def test_a_text_config_takes_what_is_its_own() -> None:
    config = {**SIZES, "mm_vision_tower": "x", "architectures": ["LlavaLlamaForCausalLM"], "rope_theta": 5e6}
    text = build_text_config(config, LlamaConfig)
    assert (text.vocab_size, text.rope_parameters["rope_theta"]) == (9, 5e6)
    assert not hasattr(text, "mm_vision_tower")
    assert text.architectures is None


def test_a_missing_size_is_named() -> None:
    with pytest.raises(CheckpointError, match="lacks hidden_size"):
        build_text_config({key: size for key, size in SIZES.items() if key != "hidden_size"}, LlamaConfig)


def test_tokenizers_are_found_and_their_absence_told(tmp_path) -> None:
    assert not has_tokenizer(tmp_path)
    with pytest.raises(CheckpointError, match="no tokenizer that can be read"):
        load_tokenizer(tmp_path, LlamaConfig())
    tiny.tokenizer().save_pretrained(tmp_path)
    assert has_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path, LlamaConfig())
    before = len(tokenizer)
    add_picture_tokens(tokenizer, {"mm_use_im_start_end": True})
    assert len(tokenizer) == before + 3
    assert unused_token(tokenizer) == 0


def test_a_folder_that_borrows_weights_borrows_their_tokenizer(tmp_path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    tiny.tokenizer().save_pretrained(theirs)
    (ours / "shared.json").write_text('{"source": "../theirs/model.safetensors", "tensors": {}}')
    assert load_tokenizer(ours).get_vocab() == load_tokenizer(theirs).get_vocab()


def test_the_dtype_is_that_of_the_embeddings() -> None:
    tensors = {"head": torch.ones(1, dtype=torch.float16)}
    assert dtype_of(tensors, ("table", "head")) == torch.float16
    with pytest.raises(CheckpointError, match="table or other"):
        dtype_of(tensors, ("table", "other"))


def test_what_transformers_only_warns_of_is_refused(tmp_path) -> None:
    report = {"missing_keys": [], "unexpected_keys": ["a"], "mismatched_keys": []}
    with pytest.raises(CheckpointError, match="1 unexpected keys, such as a"):
        require_clean(report, tmp_path)
