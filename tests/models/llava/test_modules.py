import pytest
from transformers import LlamaConfig, LlavaForConditionalGeneration, LlavaNextForConditionalGeneration

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.llava.modules import (
    VariantLlavaForConditionalGeneration,
    VariantLlavaNextForConditionalGeneration,
    build_module,
)
from models.llava import originals

FLAT = {"image_aspect_ratio": "anyres", "image_grid_pinpoints": ((28, 56),)}
UNPAD = {**FLAT, "patch_merge_type": "spatial_unpad"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, LlavaForConditionalGeneration),
        ({"image_aspect_ratio": "square"}, LlavaForConditionalGeneration),
        ({"projector_type": "linear"}, VariantLlavaForConditionalGeneration),
        (FLAT, VariantLlavaForConditionalGeneration),
        (UNPAD, LlavaNextForConditionalGeneration),
        ({**UNPAD, "projector_type": "mlp3x_gelu"}, VariantLlavaNextForConditionalGeneration),
    ],
)
def test_transformers_own_classes_are_used_where_they_can_be(changes, expected):
    module = originals.module(originals.settings(**changes))
    assert type(module) is expected
    assert module.config.gesso == originals.settings(**changes).to_dict()


def test_a_two_layer_projector_in_a_variant_is_two_layers():
    projector = originals.module(originals.settings(**FLAT)).model.multi_modal_projector
    assert list(projector.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_image_features_per_picture_are_announced():
    assert originals.module().config.image_seq_length == 16
    assert originals.module(originals.settings(select_feature="cls_patch")).config.image_seq_length == 17


def test_tied_embeddings_stay_tied():
    module = originals.module(tie_word_embeddings=True)
    assert module.lm_head.weight is module.get_input_embeddings().weight


def test_identity_between_different_widths_is_refused():
    with pytest.raises(UnsupportedError, match="widths 16 and 32"):
        originals.module(originals.settings(projector_type="identity"))


def test_configs_of_other_models_are_refused():
    with pytest.raises(CheckpointError, match="LlamaConfig; allowed: LlavaConfig"):
        build_module(LlamaConfig())
