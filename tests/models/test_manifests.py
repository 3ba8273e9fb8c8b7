"""Published checkpoints at true size: every key and shape has its place, on the meta device."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModel,
)

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import KeyRule, check_complete, rename_keys
from gesso.models.llava.convert import original_key_rules
from gesso.models.llava.lora import merge_lora
from gesso.models.llava.modules import build_module, module_config
from gesso.models.llava.read_config import choose_template, read_settings, read_text_config
from gesso.models.llava.towers import CLIP_KEYS, TOWER_PREFIX
from gesso.models.towers import KNOWN_CLIPS

MANIFESTS = Path(__file__).parents[1] / "manifests"
FULL = ["llava-v1.5-7b", "llava-v1.5-13b", "llava-v1.6-vicuna-7b", "llava-v1.6-vicuna-13b",
        "llava-v1.6-mistral-7b", "llava-v1.6-34b"]  # fmt: skip


def manifest(name):
    with gzip.open(MANIFESTS / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def flat_config(info):
    kind = info.get("config_model_type", "llava")
    return {**info["config"], "model_type": kind, "architectures": [info["architecture"]]}


def build(config):
    vision = CLIPVisionConfig(**KNOWN_CLIPS[config["mm_vision_tower"]])
    settings = read_settings(config, vision, choose_template(config, "checkpoint"))
    with torch.device("meta"):
        return settings, build_module(module_config(settings, vision, read_text_config(config)))


def clip_vision_keys():
    """The tower of LLaVA 1.5, which lies in a file of its own, under the keys of the checkpoint."""
    shapes = manifest("clip-vit-large-patch14-336.vision")["keys"]
    return {name: shapes[key] for key, name in rename_keys(shapes, CLIP_KEYS).items()}


@pytest.mark.parametrize("name", FULL)
def test_full_checkpoints_fill_the_model(name):
    published = manifest(name)
    settings, module = build(flat_config(published["info"]))
    shapes = {**published["keys"], **{key: [1] for key in published.get("optional_keys", {})}}
    if not any(key.startswith(TOWER_PREFIX) for key in shapes):
        shapes |= clip_vision_keys()
    names = rename_keys(shapes, original_key_rules(settings))
    check_complete({ours: shapes[key] for key, ours in names.items()}, module)
    dropped = set(shapes) - set(names)
    assert dropped == set(published.get("optional_keys", {}))
    tower = 0 if "v1.6" in name else manifest("clip-vit-large-patch14-336.vision")["info"]["num_parameters"]
    assert sum(p.numel() for p in module.parameters()) == published["info"]["num_parameters"] + tower


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("llava-v1.5-7b", "vicuna_v1"),
        ("llava-v1.6-vicuna-13b", "vicuna_v1"),
        ("llava-v1.6-mistral-7b", "mistral_instruct"),
        ("llava-v1.6-34b", "chatml_direct"),
    ],
)
def test_template_follows_from_the_config(name, template):
    assert choose_template(flat_config(manifest(name)["info"]), "renamed") == template


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_projector_checkpoints_complete_their_base(size):
    whole = manifest(f"llava-v1.5-{size}")
    projector = manifest(f"llava-v1.5-mlp2x-336px-pretrain-vicuna-{size}-v1.5.mm_projector")["keys"]
    base = {key: shape for key, shape in whole["keys"].items() if "mm_projector" not in key}
    settings, module = build(flat_config(whole["info"]))
    shapes = base | projector | clip_vision_keys()
    names = rename_keys(shapes, original_key_rules(settings))
    check_complete({ours: shapes[key] for key, ours in names.items()}, module)
    with pytest.raises(CheckpointError, match=r"missing: .*linear_1\.bias"):
        check_complete({names[key]: shapes[key] for key in names if "mm_projector" not in key}, module)


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_lora_checkpoints_merge_into_their_base(size, tmp_path, monkeypatch):
    whole, lora = manifest(f"llava-v1.5-{size}"), manifest(f"llava-v1.5-{size}-lora")
    (tmp_path / "adapter_config.json").write_text(json.dumps(lora["info"]["lora"]))
    projector = {key: shape for key, shape in whole["keys"].items() if "mm_projector" in key}
    files = {
        "adapter_model.bin": lora["keys"],
        "non_lora_trainables.bin": {f"base_model.model.{key}": shape for key, shape in projector.items()},
    }
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr("gesso.models.llava.lora.open_tensors", lambda paths: meta(files[paths[0].name]))
    base = meta({key: shape for key, shape in whole["keys"].items() if key not in projector})
    merged = merge_lora(base, tmp_path)
    assert {key: list(tensor.shape) for key, tensor in merged.items()} == whole["keys"]
    changed = [key for key in base if merged[key] is not base[key]]
    assert len(changed) * 2 == len(lora["keys"])


def meta(shapes):
    return {key: torch.empty(shape, dtype=torch.float16, device="meta") for key, shape in shapes.items()}


# transformers keeps these prefixes on disk and has none in memory
TEXT = [KeyRule(r"text_model\.embeddings\.position_ids", None), KeyRule(r"text_model\.(.*)", r"\1")]
VISION = [KeyRule(r"vision_model\.(.*)", r"\1")]


@pytest.mark.parametrize(
    ("name", "rules", "model_class", "config"),
    [
        (
            "clip-vit-large-patch14-336.vision",
            VISION,
            CLIPVisionModel,
            CLIPVisionConfig(**KNOWN_CLIPS["openai/clip-vit-large-patch14-336"]),
        ),
        ("clip-vit-large-patch14.text", TEXT, CLIPTextModel, None),
        ("clip-bigg-14.text", [KeyRule(r"(.*)", r"\1")], CLIPTextModelWithProjection, None),
    ],
)
def test_clip_halves_fill_transformers_classes(name, rules, model_class, config):
    published = manifest(name)
    if config is None:
        fields = {key: value for key, value in published["info"]["config"].items() if key != "eos_token_id"}
        config = CLIPTextConfig(**fields)
    with torch.device("meta"):
        module: nn.Module = model_class(config)
    names = rename_keys(published["keys"], rules)
    check_complete({ours: published["keys"][key] for key, ours in names.items()}, module)
