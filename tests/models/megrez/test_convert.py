import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from gesso.core.errors import CheckpointError
from gesso.models.megrez.convert import load_megrez
from models.megrez import originals


def test_the_published_form_loads_in_its_own_dtype(tmp_path) -> None:
    chat = load_megrez(originals.write(tmp_path))
    assert chat.module.dtype == torch.bfloat16
    vocabulary = originals.tokenizer().get_vocab()
    ends = {vocabulary["<|turn_end|>"], vocabulary["<|eos|>"]}
    assert set(chat.module.generation_config.eos_token_id) == ends
    stored = load_file(tmp_path / "model.safetensors")["audio.audio.positional_embedding"]
    assert torch.equal(chat.module.audio.positions, stored)


def rewrite(folder, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda t: {k: v for k, v in t.items() if "positional_embedding" not in k},
            "missing: audio.positions",
        ),
        (lambda t: t | {"vision.vpm.head.weight": torch.zeros(2)}, "unexpected: vision.head.weight"),
        (lambda t: t | {"tts.weight": torch.zeros(2)}, "no place for: tts.weight"),
        (lambda t: t | {"vision.resampler.query": torch.zeros(9, 128)}, "of another shape: resampler.query"),
        (lambda t: {k: v for k, v in t.items() if "embed_tokens" not in k}, "no token embeddings"),
    ],
)
def test_every_key_is_accounted_for(tmp_path, change, told) -> None:
    rewrite(originals.write(tmp_path), change)
    with pytest.raises(CheckpointError, match=told):
        load_megrez(tmp_path)


@pytest.mark.parametrize(
    ("name", "told"), [("model.safetensors", "no weight files"), ("tokenizer.json", "no tokenizer")]
)
def test_missing_files_are_named(tmp_path, name, told) -> None:
    originals.write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=told):
        load_megrez(tmp_path)


def test_other_models_are_refused(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(CheckpointError, match="a model of type llava; allowed: megrezo and gesso_megrez"):
        load_megrez(tmp_path)
