"""LoRAs: the same change from files of every naming, of the strength asked for, or a clear refusal."""

import json

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file

from diffusion.tiny_paint import sd15, sdxl
from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.diffusion.lora import FOLDER_FILE, Lora, merge_loras
from gesso.diffusion.names import stability_names

RANK = 2
LAYER = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0"
CONV = "down_blocks.1.resnets.0.conv1"
TEXT = "text_model.encoder.layers.1.self_attn.q_proj"
STABILITY = "input_blocks_3_1_transformer_blocks_0_attn1_to_out_0"


def matrices(module, seed=1):
    """down [r, in, ...] and up [out, r, ...] for a layer."""
    generator = torch.Generator().manual_seed(seed)
    shape = module.weight.shape
    ones = (1,) * (len(shape) - 2)
    return (
        torch.randn(RANK, *shape[1:], generator=generator),
        torch.randn(shape[0], RANK, *ones, generator=generator),
    )


def write(path, tensors, metadata=None):
    save_file({key: t.contiguous() for key, t in tensors.items()}, path, metadata=metadata)
    return path


def pair(layer, down, up, kind="kohya", alpha=None):
    names = {
        "kohya": ("lora_down.weight", "lora_up.weight"),
        "peft": ("lora_A.weight", "lora_B.weight"),
        "lora": ("lora.down.weight", "lora.up.weight"),
        "linear": ("lora_linear_layer.down.weight", "lora_linear_layer.up.weight"),
    }[kind]
    found = {f"{layer}.{names[0]}": down, f"{layer}.{names[1]}": up}
    return found if alpha is None else found | {f"{layer}.alpha": torch.tensor(float(alpha))}


def change(model, path, part="unet", layer=LAYER, weight=1.0):
    """What merging does to a layer."""
    module = {"unet": model.unet, **dict(enumerate(model.text.encoders, 1))}[part].get_submodule(layer)
    before = module.weight.clone()
    merge_loras(model, [Lora(path, weight)])
    return module.weight - before


NAMINGS = [
    (f"lora_unet_{LAYER.replace('.', '_')}", "kohya"),
    (f"lora_unet_{STABILITY}", "kohya"),
    (f"unet.{LAYER}", "peft"),
    (f"unet.{LAYER}", "lora"),
    (LAYER, "peft"),
]


@pytest.mark.parametrize(("layer", "kind"), NAMINGS)
def test_every_naming_changes_the_same_layer(tmp_path, layer, kind):
    model = sdxl()
    down, up = matrices(model.unet.get_submodule(LAYER))
    path = write(tmp_path / "x.safetensors", pair(layer, down, up, kind))
    torch.testing.assert_close(change(model, path), up @ down)


def test_the_oldest_names_are_read(tmp_path):
    model = sdxl()
    down, up = matrices(model.unet.get_submodule(LAYER))
    stem = LAYER.removesuffix(".to_out.0")
    keys = {f"unet.{stem}.processor.to_out_lora.{role}.weight": t for role, t in (("down", down), ("up", up))}
    torch.testing.assert_close(change(model, write(tmp_path / "x.safetensors", keys)), up @ down)


@pytest.mark.parametrize(
    ("make", "part", "layer", "name", "kind"),
    [
        (sd15, 1, "encoder.layers.1.self_attn.q_proj", f"lora_te_{TEXT.replace('.', '_')}", "kohya"),
        (sdxl, 1, "encoder.layers.1.self_attn.q_proj", f"lora_te1_{TEXT.replace('.', '_')}", "kohya"),
        (sdxl, 2, TEXT, f"lora_te2_{TEXT.replace('.', '_')}", "kohya"),
        (sdxl, 2, TEXT, f"text_encoder_2.{TEXT}", "linear"),
        (sdxl, 1, "encoder.layers.1.self_attn.q_proj", f"text_encoder.{TEXT}", "peft"),
    ],
)
def test_text_encoders_are_changed(tmp_path, make, part, layer, name, kind):
    model = make()
    down, up = matrices(model.text.encoders[part - 1].get_submodule(layer))
    path = write(tmp_path / "x.safetensors", pair(name, down, up, kind))
    torch.testing.assert_close(change(model, path, part, layer), up @ down)


def test_convolutions_are_changed(tmp_path):
    model = sdxl()
    down, up = matrices(model.unet.get_submodule(CONV))
    path = write(tmp_path / "x.safetensors", pair(f"lora_unet_{CONV.replace('.', '_')}", down, up))
    expected = torch.einsum("or,rihw->oihw", up[:, :, 0, 0], down)
    torch.testing.assert_close(change(model, path, layer=CONV), expected)


@pytest.mark.parametrize(
    ("weight", "alpha", "factor"), [(1.0, 1, 0.5), (0.5, 4, 1.0), (-1.0, None, -1.0), (0.0, 8, 0)]
)
def test_strength_is_weight_times_alpha_over_rank(tmp_path, weight, alpha, factor):
    model = sdxl()
    down, up = matrices(model.unet.get_submodule(LAYER))
    path = write(tmp_path / "x.safetensors", pair(f"unet.{LAYER}", down, up, "lora", alpha))
    found = change(model, path, weight=weight)
    torch.testing.assert_close(found, factor * (up @ down), atol=1e-5, rtol=1e-4)


def test_alpha_may_stand_in_the_header(tmp_path):
    model = sdxl()
    down, up = matrices(model.unet.get_submodule(LAYER))
    metadata = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 8, "unet.r": RANK})}
    path = write(tmp_path / FOLDER_FILE, pair(f"unet.{LAYER}", down, up, "peft"), metadata)
    torch.testing.assert_close(change(model, path.parent), 4 * (up @ down))


def test_several_add_up(tmp_path):
    model = sdxl()
    module = model.unet.get_submodule(LAYER)
    before = module.weight.clone()
    loras, total = [], 0
    for seed in (1, 2):
        down, up = matrices(module, seed)
        path = write(tmp_path / f"{seed}.safetensors", pair(LAYER, down, up, "peft"))
        loras.append(Lora(path, seed / 2))
        total = total + seed / 2 * up @ down
    merge_loras(model, loras)
    torch.testing.assert_close(module.weight - before, total)


def test_stability_names_are_those_diffusers_reads():
    model = sdxl()
    attention = [name for name in model.unet.state_dict() if name.endswith("attn2.to_k.weight")]
    names = {name.removesuffix(".weight"): name for name in attention}
    older = stability_names(model.unet.config, list(names))
    keys = {f"lora_unet_{older[name].replace('.', '_')}.lora_down.weight": torch.zeros(1) for name in names}
    keys |= {key.replace("lora_down", "lora_up"): t for key, t in keys.items()}
    read, _ = StableDiffusionXLPipeline.lora_state_dict(keys, unet_config=model.unet.config)
    found = {key.removeprefix("unet.").split(".lora")[0].split(".processor")[0] for key in read}
    assert {name.removesuffix(".to_k") for name in names} <= {name.removesuffix(".to_k") for name in found}


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({f"unet.{LAYER}.dora_scale": (1,)}, UnsupportedError, "no plain LoRA"),
        ({"lora_unet_x.hada_w1_a": (1,)}, UnsupportedError, "no plain LoRA"),
        ({"lora_unet_x.lokr_w1": (1,)}, UnsupportedError, "no plain LoRA"),
        ({"conv_in.weight": (1,)}, CheckpointError, "no part of a LoRA"),
        ({"lora_unet_x.lora_down.weight": (2, 2), "lora_unet_x.lora_up.weight": (2, 2)}, CheckpointError,
         "this one has no layer lora_unet_x"),
        ({f"{LAYER}.lora_A.weight": (2, 8)}, CheckpointError, "lacks one of the two matrices"),
        ({f"{LAYER}.lora_A.weight": (2, 9), f"{LAYER}.lora_B.weight": (8, 2)}, CheckpointError, "not fit"),
        ({f"{LAYER}.lora_A.weight": (2, 8), f"{LAYER}.lora_B.weight": (8, 3)}, CheckpointError, "not fit"),
        ({}, CheckpointError, "holds no tensors"),
    ],
)  # fmt: skip
def test_other_files_are_refused_clearly(tmp_path, keys, error, message):
    path = write(tmp_path / "x.safetensors", {key: torch.zeros(shape) for key, shape in keys.items()})
    with pytest.raises(error, match=message):
        merge_loras(sdxl(), [Lora(path)])


def test_settings_that_change_the_formula_are_refused(tmp_path):
    metadata = {"lora_adapter_metadata": json.dumps({"unet.use_rslora": True, "unet.use_dora": False})}
    path = write(tmp_path / "x.safetensors", {f"{LAYER}.lora_A.weight": torch.zeros(2, 8)}, metadata)
    with pytest.raises(UnsupportedError, match=r"sets unet\.use_rslora"):
        merge_loras(sdxl(), [Lora(path)])


def test_pickled_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="convert it first"):
        merge_loras(sdxl(), [Lora(tmp_path / "lora.bin")])
