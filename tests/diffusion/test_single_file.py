"""Single files: every weight finds its place, and what is something else is named."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusion.stability import configs, write
from diffusion.tiny_paint import PIPELINE, same_weights, sd15, sdxl
from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.diffusion.load import load_painter
from gesso.diffusion.single_file import read_single_file

VOCABULARY = PIPELINE / "tokenizer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Single files of both kinds, and configs for them."""
    made = tmp_path_factory.mktemp("single")
    for name, model in (("sdxl", sdxl()), ("sd15", sd15())):
        write(model, made / f"{name}.safetensors")
    configs(made / "configs")
    return made


def changed(folder, tmp_path, kind, change):
    """A copy of a file with other tensors in it."""
    tensors = load_file(folder / f"{kind}.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "changed.safetensors")
    return tmp_path / "changed.safetensors"


def read(path, folder, tokenizer=VOCABULARY):
    return read_single_file(path, tokenizer=tokenizer, configs=folder / "configs")


@pytest.mark.parametrize(("kind", "make"), [("sdxl", sdxl), ("sd15", sd15)])
def test_every_weight_finds_its_place(folder, kind, make):
    found, expected = read(folder / f"{kind}.safetensors", folder), make()
    assert same_weights(found.unet, expected.unet)
    assert same_weights(found.vae, expected.vae)
    for ours, theirs in zip(found.text.encoders, expected.text.encoders, strict=True):
        assert same_weights(ours, theirs)
    assert found.scheduler == {"prediction_type": "epsilon"}


def test_the_second_tokenizer_fills_with_another_token(folder):
    tokenizers = read(folder / "sdxl.safetensors", folder).text.tokenizers
    assert [tokenizer.pad_token for tokenizer in tokenizers] == ["<|endoftext|>", "!"]
    assert tokenizers[1].pad_token_id == 0


def test_a_vocabulary_beside_the_file_is_taken(folder, tmp_path):
    shutil.copy(folder / "sd15.safetensors", tmp_path)
    shutil.copytree(VOCABULARY, tmp_path / "tokenizer")
    assert len(read(tmp_path / "sd15.safetensors", folder, None).text.tokenizers) == 1


def test_without_a_vocabulary_the_message_says_where_to_get_one(folder):
    with pytest.raises(CheckpointError, match=r"give tokenizer=, a folder with vocab\.json"):
        read(folder / "sd15.safetensors", folder, None)


def drop(key):
    return lambda tensors: tensors.pop(key)


@pytest.mark.parametrize(
    ("kind", "key", "message"),
    [
        ("sdxl", "model.diffusion_model.out.2.bias", "cannot read|missing: conv_out.bias"),
        ("sdxl", "first_stage_model.quant_conv.bias", "missing: quant_conv.bias"),
        ("sdxl", "conditioner.embedders.1.model.ln_final.bias", "missing: .*final_layer_norm.bias"),
        (
            "sd15",
            "cond_stage_model.transformer.text_model.final_layer_norm.bias",
            "missing: final_layer_norm",
        ),
    ],
)
def test_a_missing_weight_is_an_error(folder, tmp_path, kind, key, message):
    with pytest.raises(CheckpointError, match=message):
        read(changed(folder, tmp_path, kind, drop(key)), folder)


def add(key, shape=(2,)):
    return lambda tensors: tensors.update({key: torch.zeros(shape)})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("control_model.zero.weight", r"no place for: control_model\.zero\.weight"),
        ("model.diffusion_model.extra.weight", "unexpected: 1 more"),
        ("cond_stage_model.transformer.text_model.extra", "unexpected: .*extra"),
    ],
)
def test_a_weight_too_many_is_an_error(folder, tmp_path, key, message):
    with pytest.raises(CheckpointError, match=message):
        read(changed(folder, tmp_path, "sd15", add(key)), folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: [tensors.pop(k) for k in list(tensors) if k.startswith("cond_")],
            "lacks the text enc",
        ),
        (add("model.diffusion_model.input_blocks.0.0.weight", (8, 9, 3, 3)), "takes 9 channels"),
        (lambda tensors: (tensors.clear(), add("double_blocks.0.img_attn.weight")(tensors)), "double_blocks"),
        (lambda tensors: (tensors.clear(), add("lora_unet_x.lora_up.weight")(tensors)), "it is a LoRA"),
    ],
)
def test_other_kinds_of_files_are_refused(folder, tmp_path, change, message):
    with pytest.raises(UnsupportedError, match=message):
        read(changed(folder, tmp_path, "sd15", change), folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("model.ckpt", b"", "no .safetensors file"), ("model.safetensors", b"\x00" * 9, "cannot read")],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_painter(tmp_path / name)
