from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import CLIPVisionConfig, LlavaConfig

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.llava.read_config import (
    choose_template,
    is_original,
    read_saved_settings,
    read_settings,
    read_text_config,
)
from gesso.models.templates import TEMPLATES
from gesso.models.towers import read_tower_config
from models.llava import originals

TOWER = CLIPVisionConfig(image_size=28, patch_size=7)
LINEAR = {**originals.FLAT, "mm_projector_type": "linear"}


@pytest.mark.parametrize(
    ("changes", "folder", "template"),
    [
        ({}, "anything", "vicuna_v1"),
        ({}, "llava-v1-mpt-mistral", "vicuna_v1"),
        ({"architectures": ["LlavaMistralForCausalLM"]}, "llava-v0", "mistral_instruct"),
        ({"model_type": "llava_mistral", "architectures": None}, "x", "mistral_instruct"),
        ({"vocab_size": 64000}, "x", "chatml_direct"),
        ({"vocab_size": 64002}, "mistral", "chatml_direct"),
        ({"_name_or_path": "meta-llama/Llama-2-13b-chat-hf"}, "llava-v1", "llava_llama_2"),
        ({"_name_or_path": "lmsys/vicuna-7b-v1.5"}, "llava-llama-2", "vicuna_v1"),
        ({"mm_projector_type": "linear"}, "llava-llama-2-13b-chat", "llava_llama_2"),
        ({"mm_projector_type": "linear"}, "LLaVA-13b-v0", "llava_v0"),
        ({"mm_projector_type": "linear"}, "llava-7b-v1", "llava_v1"),
        ({"mm_projector_type": "linear"}, "my-mpt", "vicuna_v1"),
    ],
)
def test_template_comes_from_the_config_before_the_name(changes, folder, template):
    assert choose_template({**originals.FLAT, **changes}, folder) == template
    assert template in TEMPLATES


def test_nested_configs_name_their_language_model():
    nested = {"model_type": "llava_next", "text_config": {"model_type": "mistral", "vocab_size": 32064}}
    assert not is_original(nested)
    assert choose_template(nested, "x") == "mistral_instruct"
    yi = {"model_type": "llava_next", "text_config": {"model_type": "llama", "vocab_size": 64064}}
    assert choose_template(yi, "x") == "chatml_direct"


def test_absent_entries_mean_what_they_mean_to_the_original():
    settings = read_settings({}, TOWER, "vicuna_v1")
    assert settings.projector_type == "linear"
    assert settings.image_aspect_ratio == "square"
    assert (settings.patch_merge_type, settings.select_feature) == ("flat", "patch")
    assert settings.max_length == 2048
    assert read_settings({"max_position_embeddings": 4096}, TOWER, "vicuna_v1").max_length == 2048


@pytest.mark.parametrize(
    "config",
    [
        {"image_aspect_ratio": "round"},
        {"mm_patch_merge_type": "spiral"},
        {"mm_vision_select_feature": "cls"},
        {"image_aspect_ratio": "anyres"},
        {"image_grid_pinpoints": "(1x1),(6x6)"},
        {"image_grid_pinpoints": [336, 672]},
    ],
)
def test_values_no_model_can_have_are_refused(config):
    with pytest.raises(CheckpointError):
        read_settings(config, TOWER, "vicuna_v1")


def test_language_model_keeps_its_shape_and_positions():
    scaled = {"rope_theta": 5e6, "rope_scaling": {"type": "linear", "factor": 2.0}}
    text = read_text_config({**originals.FLAT, **scaled})
    assert (text.num_key_value_heads, text.max_position_embeddings) == (2, 512)
    assert text.rope_parameters["rope_theta"] == 5e6
    assert text.rope_parameters["factor"] == 2.0
    assert not hasattr(text, "mm_vision_tower")


def test_old_configs_without_key_value_heads_have_as_many_as_heads():
    old = {key: value for key, value in originals.FLAT.items() if key != "num_key_value_heads"}
    assert read_text_config(old).num_key_value_heads == 4


@pytest.mark.parametrize("changes", [{"model_type": "siglip_vision_model"}, {"image_size": (28, 56)}])
def test_towers_other_than_square_clips_are_refused(changes):
    with pytest.raises(UnsupportedError):
        read_settings({}, read_tower_config({**originals.TOWER, **changes}), "vicuna_v1")


@pytest.mark.parametrize(
    "changes",
    [
        {"vision_feature_layer": [-2, -3]},
        {"projector_hidden_act": "relu"},
        {"multimodal_projector_bias": False},
    ],
)
def test_transformers_variants_that_llava_never_had_are_refused(changes):
    with pytest.raises(UnsupportedError):
        read_saved_settings(LlavaConfig(**changes), "x")


@given(st.text(alphabet="[](),0123456789.eE-+x _'None", max_size=30) | st.text(max_size=8))
@example("[(1e999, 1)]")
@example("(" * 5000)
@settings(deadline=None)
def test_any_text_for_canvases_is_read_or_refused(text):
    with suppress(CheckpointError):
        found = read_settings({"image_grid_pinpoints": text}, TOWER, "vicuna_v1").image_grid_pinpoints
        assert all(isinstance(side, int) for pair in found for side in pair)
