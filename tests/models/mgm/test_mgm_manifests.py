"""Published checkpoints at true size: every key and shape has its place, on the meta device."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gesso.engines.catalog import find
from gesso.models.checkpoints import check_complete, rename_keys
from gesso.models.mgm.convert import original_key_rules
from gesso.models.mgm.detail_tower import AUX_PREFIX, OPENCLIP_KEYS
from gesso.models.mgm.experts import stack_experts
from gesso.models.mgm.modules import MgmForConditionalGeneration, module_config
from gesso.models.mgm.read_config import choose_template, read_settings, read_text_config, wants_exact_gelu
from gesso.models.mgm.towers import find_clip, find_detail_tower

MANIFESTS = Path(__file__).parents[2] / "manifests"
SIZES = ["2B", "7B", "13B", "8B", "8x7B", "34B"]
TEMPLATES = {"2B": "gemma", "8B": "llama_3", "8x7B": "mixtral_instruct", "34B": "chatml_direct"}


def manifest(name):
    with gzip.open(MANIFESTS / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def flat_config(info):
    return {
        **info["config"],
        "model_type": info["config_model_type"],
        "architectures": [info["architecture"]],
    }


def meta(shapes):
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def read(name):
    """Settings, and the parts a model is made of, as the loader finds them; nothing lies on disk."""
    published = manifest(name)
    config, tensors = flat_config(published["info"]), meta(published["keys"])
    vision, _, added = find_clip(tensors, config, Path("/nowhere"))
    detail, added_detail = find_detail_tower(tensors, config, Path("/nowhere"))
    assert not added
    assert not added_detail
    return config, tensors, read_settings(config, vision, choose_template(config)), vision, detail


@pytest.mark.parametrize("size", SIZES)
def test_full_checkpoints_fill_the_model(size):
    published = manifest(f"MGM-{size}")
    config, tensors, settings, vision, detail = read(f"MGM-{size}")
    text = read_text_config(config)
    whole = module_config(settings, vision, detail, text, exact_gelu=wants_exact_gelu(config))
    with torch.device("meta"):
        module = MgmForConditionalGeneration(whole)
    stacked = stack_experts(tensors | meta(published.get("optional_keys", {})))
    names = rename_keys(stacked, original_key_rules(tied=text.tie_word_embeddings))
    check_complete({ours: stacked[key].shape for key, ours in names.items()}, module)
    assert set(stacked) - set(names) == set(published.get("optional_keys", {}))
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count == published["info"]["num_parameters"] == find(f"YanweiLi/MGM-{size}").parameters
    assert settings.template == TEMPLATES.get(size, "vicuna_v1")
    assert whole.image_seq_length == published["info"]["image_tokens_per_picture"]


@pytest.mark.parametrize("size", SIZES[1:])
def test_high_resolution_adds_no_weight(size):
    plain, high = manifest(f"MGM-{size}"), manifest(f"MGM-{size}-HD")
    assert high["keys"] == plain["keys"]
    settings = read(f"MGM-{size}-HD")[2]
    changed = {"image_size_aux": 1536, "image_grid": 2, "image_global": True, "max_length": 4096}
    assert settings == replace(read(f"MGM-{size}")[2], **changed)
    assert settings.view_count(1536) * settings.grid_side**2 == high["info"]["image_tokens_per_picture"]


@pytest.mark.parametrize("size", ["2B", "7B", "13B", "8x7B", "34B"])
def test_a_first_stage_holds_all_but_the_language_model(size):
    first, whole = manifest(f"MGM-{size}-Pretrain.mm_projector")["keys"], manifest(f"MGM-{size}")["keys"]
    language = {
        key for key in whole if key.startswith(("model.layers", "model.embed", "model.norm", "lm_head"))
    }
    assert first == {key: shape for key, shape in whole.items() if key not in language}
    # the same rules take them, beside those of their base
    assert len(rename_keys(first, original_key_rules(tied=False))) == len(first)


def test_openclips_file_gives_the_tower_of_the_checkpoints():
    published = manifest("openclip-convnext-large-d-320-laion2B-s29B-b131K-ft-soup")
    shapes = published["keys"]
    names = rename_keys(shapes, OPENCLIP_KEYS)
    whole = manifest("MGM-7B")["keys"]
    wanted = {key: shape for key, shape in whole.items() if key.startswith(AUX_PREFIX)}
    assert {ours: shapes[key] for key, ours in names.items()} == wanted
    assert len(names) == published["info"]["used_num_keys"]
