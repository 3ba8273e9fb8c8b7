"""Models from diffusers folders: read whole or not at all, and never from the network."""

import json
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusion.tiny_paint import PROMPTS, array, same_weights, sd15, sdxl, settings
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.diffusion.load import load_painter, read_folder
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.save import save_folder
from gesso.models.shared import borrow


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of both kinds; copied by tests that change them."""
    folder = tmp_path_factory.mktemp("models")
    for name, model in (("sdxl", sdxl()), ("sd15", sd15())):
        save_folder(model, folder / name)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved / "sdxl", tmp_path / "sdxl")


@pytest.mark.parametrize(("kind", "make"), [("sdxl", sdxl), ("sd15", sd15)])
def test_a_folder_paints_what_was_saved(saved, kind, make, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)  # whoever reaches for the network fails
    loaded = load_painter(saved / kind)
    expected = Painter(make()).paint(PROMPTS, settings(steps=2))
    found = loaded.paint(PROMPTS, settings(steps=2))
    assert (array(found[0]) == array(expected[0])).all()


def test_a_folder_is_one_of_diffusers(saved):
    index = json.loads((saved / "sdxl" / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionXLPipeline"
    assert index["text_encoder_2"] == ["transformers", "CLIPTextModelWithProjection"]
    assert read_folder(saved / "sdxl").scheduler["use_karras_sigmas"] is True


def test_weights_in_half_precision_only_are_found(copy):
    for path in copy.rglob("*.safetensors"):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    assert same_weights(read_folder(copy).unet, sdxl().unet)


def test_parts_may_borrow_weights_of_another_folder(saved, copy):
    for part in ("unet", "text_encoder"):
        (path,) = (copy / part).glob("*.safetensors")
        tensors = load_file(path)
        own = next(name for name in sorted(tensors) if tensors[name].ndim == 1)
        tensors[own] += 1
        save_file(tensors, path)
        assert borrow(copy / part, saved / "sdxl" / part / path.name) == len(tensors) - 1
        assert list(load_file(path)) == [own]
    found = read_folder(copy)
    for part, whole in ((found.unet, sdxl().unet), (found.text.encoders[0], sdxl().text.encoders[0])):
        changed = [k for k, v in part.state_dict().items() if not torch.equal(v, whole.state_dict()[k])]
        assert len(changed) == 1
    (copy / "unet" / "shared.json").write_text('{"source": "gone.safetensors"}')
    with pytest.raises(CheckpointError, match=r"borrows weights of .*gone\.safetensors"):
        read_folder(copy)


def test_older_names_of_the_vaes_attention_are_read(copy):
    path = copy / "vae" / "diffusion_pytorch_model.safetensors"
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(path)
    for new, old in older.items():
        tensors = {
            key.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): t for key, t in tensors.items()
        }
    assert any(".query." in key for key in tensors)
    save_file(tensors, path)
    assert same_weights(read_folder(copy).vae, sdxl().vae)


@pytest.mark.parametrize(
    ("file", "key", "message"),
    [
        ("unet/diffusion_pytorch_model", "conv_in.bias", "conv_in.bias"),
        ("text_encoder_2/model", "text_projection.weight", "missing: text_projection.weight"),
    ],
)
def test_a_missing_weight_is_named(copy, file, key, message):
    path = copy / f"{file}.safetensors"
    tensors = load_file(path)
    del tensors[key]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        read_folder(copy)


def test_a_weight_too_many_is_named(copy):
    path = copy / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({**load_file(path), "extra.weight": torch.zeros(1)}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"unexpected: extra\.weight"):
        read_folder(copy)


def test_a_damaged_file_is_named(copy):
    (copy / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(CheckpointError, match=r"cannot read .*vae"):
        read_folder(copy)


def test_a_missing_part_is_named(copy):
    shutil.rmtree(copy / "tokenizer_2")
    with pytest.raises(CheckpointError, match="tokenizer_2"):
        read_folder(copy)


@pytest.mark.parametrize(
    ("part", "found", "message"),
    [
        ("unet", ["diffusers", "UNet2DModel"], "whose unet is UNet2DModel"),
        ("text_encoder", None, "whose text_encoder is missing"),
        ("text_encoder_2", ["transformers", "T5EncoderModel"], "whose text_encoder_2 is T5EncoderModel"),
    ],
)
def test_other_pipelines_are_refused(copy, part, found, message):
    path = copy / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: found}))
    with pytest.raises(UnsupportedError, match=message):
        read_folder(copy)


def test_what_is_not_on_disk_is_not_fetched():
    with pytest.raises(CheckpointError, match="neither a folder nor a file"):
        load_painter("stabilityai/stable-diffusion-xl-base-1.0")


def test_a_folder_needs_no_other_tokenizer(saved, tmp_path):
    with pytest.raises(UnsupportedError, match="tokenizers of its own"):
        load_painter(saved / "sdxl", tokenizer=tmp_path)


def test_memory_is_planned_for_gpus_only(saved):
    with pytest.raises(UsageError, match="vram 8 came for the CPU"):
        load_painter(saved / "sdxl", vram=8)


@pytest.mark.parametrize(("text", "message"), [("[]", "must hold a JSON object"), ("{", "cannot read")])
def test_a_broken_index_is_refused(tmp_path, text, message):
    (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        load_painter(tmp_path)
