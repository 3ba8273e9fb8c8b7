"""The published MoMA at true size: every key and shape has its place, on the meta device."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from gesso.core.errors import CheckpointError
from gesso.diffusion.files import read_object
from gesso.diffusion.single_file import CONFIGS
from gesso.diffusion.subject_adapter import SubjectAdapter, attention_layers
from gesso.models.checkpoints import check_complete, rename_keys
from gesso.models.llava.convert import original_key_rules
from gesso.models.moma.adapter_file import RULES
from gesso.models.moma.modules import PictureProjection, SubjectMapping
from models.test_manifests import build, clip_vision_keys

MANIFESTS = Path(__file__).parents[2] / "manifests"


def manifest(name):
    with gzip.open(MANIFESTS / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def unet():
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(read_object(CONFIGS / "sd15" / "unet" / "config.json"))


def test_every_adapter_weight_has_its_place(unet):
    published = manifest("moma-attn-adapters-projectors")
    assert [f"{name}.processor" for name in attention_layers(unet)] == published["info"]["processor_order"]
    names = rename_keys(published["keys"], RULES)
    with torch.device("meta"):
        modules = {"llm_mapping": SubjectMapping(4096, 1024), "projectors": PictureProjection(1024, 768)}
    adapter = SubjectAdapter(unet)
    parts = [(section, *pair) for section, each in modules.items() for pair in each.state_dict().items()]
    ours = {f"{section}/{key}": list(tensor.shape) for section, key, tensor in parts}
    ours |= {f"self_cross_attentions/{key}": list(t.shape) for key, t in adapter.tensors().items()}
    assert {names[key]: shape for key, shape in published["keys"].items()} == ours
    count = sum(p.numel() for module in (adapter, *modules.values()) for p in module.parameters())
    assert count == published["info"]["num_parameters"]


def test_the_published_layers_fill_an_adapter(unet):
    tensors = {
        key.removeprefix("self_cross_attentions/"): torch.empty(shape, device="meta")
        for key, shape in manifest("moma-attn-adapters-projectors")["keys"].items()
        if key.startswith("self_cross_attentions/")
    }
    assert SubjectAdapter.of_tensors(unet, tensors).references
    cut = {key: tensor for key, tensor in tensors.items() if not key.startswith("17.")}
    with pytest.raises(CheckpointError, match=r"missing: 17\.to_k_ip\.weight, 17\.to_v_ip\.weight"):
        SubjectAdapter.of_tensors(unet, cut)


@pytest.mark.parametrize("extra", ["", "rotary", "tower"])
def test_the_language_model_is_a_llava(extra):
    published = manifest("moma-llava-7b")
    config = {
        **published["info"]["config"],
        "model_type": "llava",
        "architectures": ["LlavaLlamaForCausalLM"],
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "mm_projector_type": "mlp2x_gelu",
    }
    settings, module = build(config)
    shapes = published["keys"] | clip_vision_keys()  # in the file or beside it, under the same names
    if extra == "rotary":
        shapes |= {f"model.layers.{n}.self_attn.rotary_emb.inv_freq": [64] for n in range(32)}
    names = rename_keys(shapes, original_key_rules(settings))
    check_complete({ours: shapes[key] for key, ours in names.items()}, module)
    assert settings.template == "vicuna_v1"
