"""The configs that come with gesso fit the published weights, at true size on the meta device."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from gesso.diffusion.files import read_object
from gesso.diffusion.names import stability_names
from gesso.diffusion.single_file import CONFIGS

MANIFESTS = Path(__file__).parents[1] / "manifests"
CLASSES = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}


def build(kind, part):
    config = read_object(CONFIGS / kind / part / "config.json")
    with torch.device("meta"):
        if part.startswith("text"):
            return CLASSES[part](CLIPTextConfig(**config))
        return CLASSES[part].from_config(config)


@pytest.mark.parametrize(
    ("kind", "part", "name"),
    [
        ("sdxl", "unet", "sdxl-unet"),
        ("sd15", "unet", "sd15-unet"),
        ("sdxl", "vae", "sd-vae"),
        ("sd15", "vae", "sd-vae"),
        ("sdxl", "text_encoder", "clip-vit-large-patch14.text"),
        ("sd15", "text_encoder", "clip-vit-large-patch14.text"),
        ("sdxl", "text_encoder_2", "clip-bigg-14.text"),
    ],
)
def test_every_published_weight_has_its_place(kind, part, name):
    with gzip.open(MANIFESTS / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        published = json.load(file)
    model = build(kind, part)
    found = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    # transformers keeps this prefix on disk, and in memory for models with a projection only
    wanted = {
        key.removeprefix("text_model.") if part == "text_encoder" else key: shape
        for key, shape in published["keys"].items()
    }
    assert found == wanted
    assert sum(p.numel() for p in model.parameters()) == published["info"]["num_parameters"]


@pytest.mark.parametrize(("kind", "scale"), [("sdxl", 0.13025), ("sd15", 0.18215)])
def test_latents_are_scaled_as_published(kind, scale):
    assert read_object(CONFIGS / kind / "vae" / "config.json")["scaling_factor"] == scale


@pytest.mark.parametrize(
    ("kind", "module", "name"),
    [
        ("sdxl", "down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_v",
         "input_blocks.8.1.transformer_blocks.9.attn2.to_v"),
        ("sdxl", "up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("sdxl", "add_embedding.linear_2", "label_emb.0.2"),
        ("sd15", "down_blocks.2.downsamplers.0.conv", "input_blocks.9.0.op"),
        ("sd15", "up_blocks.0.upsamplers.0.conv", "output_blocks.2.1.conv"),
        ("sd15", "up_blocks.3.attentions.2.proj_in", "output_blocks.11.1.proj_in"),
        ("sd15", "mid_block.resnets.1.time_emb_proj", "middle_block.2.emb_layers.1"),
    ],
)  # fmt: skip
def test_modules_have_their_names_in_single_files(kind, module, name):
    assert stability_names(read_object(CONFIGS / kind / "unet" / "config.json"), [module]) == {module: name}


@pytest.mark.parametrize("kind", ["sdxl", "sd15"])
def test_every_module_has_one_name_in_single_files(kind):
    unet = build(kind, "unet")
    modules = sorted({key.rpartition(".")[0] for key in unet.state_dict()})
    names = stability_names(unet.config, modules)
    assert sorted(names) == modules
    assert len(set(names.values())) == len(modules)
