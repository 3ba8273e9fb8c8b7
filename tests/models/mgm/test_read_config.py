import pytest
from transformers import CLIPVisionConfig

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.mgm.read_config import (
    choose_template,
    is_original,
    read_settings,
    read_text_config,
    wants_exact_gelu,
)
from models.mgm import originals

TOWER = CLIPVisionConfig(image_size=28, patch_size=14)


@pytest.mark.parametrize(
    ("changes", "template"),
    [
        ({}, "vicuna_v1"),
        ({"model_type": "mini_gemini", "architectures": ["MiniGeminiLlamaForCausalLM"]}, "vicuna_v1"),
        ({"model_type": "mini_gemini", "architectures": None}, "vicuna_v1"),
        ({"vocab_size": 128256}, "llama_3"),
        ({"vocab_size": 64000}, "chatml_direct"),
        ({"model_type": "mgm_gemma", "architectures": ["MGMGemmaForCausalLM"]}, "gemma"),
        ({"model_type": "mgm_mixtral", "architectures": []}, "mixtral_instruct"),
        ({"model_type": "mgm_mistral", "architectures": []}, "mixtral_instruct"),
    ],
)
def test_the_template_follows_from_the_config(changes, template):
    assert choose_template({**originals.FLAT, **changes}) == template


def test_absent_entries_mean_what_they_mean_to_the_original():
    settings = read_settings({"image_size_aux": 64}, TOWER, "vicuna_v1")
    assert (settings.projector_type, settings.image_aspect_ratio) == ("linear", "square")
    assert (settings.image_grid, settings.image_global, settings.max_length) == (1, False, 2048)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({}, CheckpointError, "no image_size_aux"),
        ({"image_size_aux": 64, "mm_vision_select_feature": "cls_patch"}, UnsupportedError, "allowed: patch"),
        ({"image_size_aux": 60}, CheckpointError, "multiple of 8"),
    ],
)
def test_values_no_model_can_have_are_refused(config, error, message):
    with pytest.raises(error, match=message):
        read_settings(config, TOWER, "vicuna_v1")


def test_other_language_models_and_half_configs_are_refused():
    with pytest.raises(UnsupportedError, match="a language model of type 'qwen'"):
        read_text_config({"model_type": "qwen"})
    with pytest.raises(CheckpointError, match="lacks vocab_size"):
        read_text_config({"model_type": "mgm"})


def test_only_a_gemma_that_says_gelu_computes_it_exactly():
    gemma = {**originals.FLAT, "model_type": "mgm_gemma", "architectures": []}
    assert wants_exact_gelu({**gemma, "hidden_act": "gelu"})
    assert not wants_exact_gelu(gemma)
    assert not wants_exact_gelu({**originals.FLAT, "hidden_act": "gelu"})


def test_saved_configs_are_told_from_originals():
    assert is_original(originals.FLAT)
    assert not is_original(originals.module().config.to_dict())
