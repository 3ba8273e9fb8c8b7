import pytest
import torch
from transformers import AutoModelForImageTextToText

from gesso.core.errors import UsageError
from gesso.models.mgm.modules import MgmForConditionalGeneration
from models.mgm import originals

HIGH = {"image_size_aux": 128, "image_grid": 2, "image_global": True}


def features(module, pixels):
    with torch.inference_mode():
        return torch.stack(module.get_image_features(pixels, return_dict=True).pooler_output)


def test_a_picture_gives_as_many_features_as_it_has_positions():
    module = originals.module(originals.settings(**HIGH))
    assert features(module, torch.randn(2, 3, 128, 128)).shape == (2, 20, 32)
    assert features(module, torch.randn(2, 3, 64, 64)).shape == (2, 4, 32)


def test_features_of_a_picture_depend_on_it_alone():
    module = originals.module(originals.settings(**HIGH))
    pixels = torch.randn(2, 3, 128, 128)
    torch.testing.assert_close(features(module, pixels)[1:], features(module, pixels[1:]))


def test_other_sizes_and_choices_of_layers_are_refused():
    module = originals.module()
    with pytest.raises(UsageError, match="takes 64 px"):
        module.get_image_features(torch.randn(1, 3, 32, 32))
    with pytest.raises(UsageError, match="vision_feature_layer given"):
        module.get_image_features(torch.randn(1, 3, 64, 64), vision_feature_layer=-1)


def test_gemmas_pictures_are_scaled_as_its_words_are():
    module = originals.module(family="gemma")
    pixels = torch.randn(1, 3, 64, 64)
    scaled = features(module, pixels)
    module.get_input_embeddings().scalar_embed_scale = 1.0
    torch.testing.assert_close(scaled, features(module, pixels) * 32**0.5)


@pytest.mark.parametrize("exact", [True, False])
def test_the_exact_gelu_of_a_gemma_survives_saving(tmp_path, exact):
    module = originals.module(family="gemma", exact_gelu=exact)
    module.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert isinstance(again, MgmForConditionalGeneration)
    wanted = "gelu" if exact else "gelu_pytorch_tanh"
    assert again.config.text_config.hidden_act == module.config.text_config.hidden_act == wanted
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        assert torch.equal(again(input_ids=ids).logits, module(input_ids=ids).logits)


def test_transformers_reads_ids_and_pixels_by_itself():
    module = originals.module(image_token_index=3)
    pixels = torch.randn(1, 3, 64, 64)
    ids = torch.tensor([[5, 3, 3, 3, 3, 6]])
    table = module.get_input_embeddings()
    with torch.inference_mode():
        whole = module(input_ids=ids, pixel_values=pixels).logits
        parts = [table(ids[:, :1]), features(module, pixels), table(ids[:, 5:])]
        assert torch.equal(whole, module(inputs_embeds=torch.cat(parts, 1)).logits)


def test_what_vllms_transformers_backend_asks_of_a_model():
    module = originals.module()
    assert module.is_backend_compatible()
    assert module.model.language_model is module.get_decoder()
    assert module.model.vision_tower is not None
