import pytest
import torch
from PIL import Image as Pictures

from gesso.core.errors import UsageError
from gesso.core.messages import Image, assistant, user
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX, Encoded
from gesso.models.mgm.convert import load_mgm
from models.mgm import originals

HIGH = {"image_size_aux": 128, "image_grid": 2, "image_global": True}


def high():
    return originals.chat(originals.settings(template="storybook", **HIGH))


def picture(size=(30, 20), **fields):
    return Image(Pictures.effect_noise(size, 80).convert("RGB"), **fields)


def test_pictures_of_both_details_stand_in_their_order():
    chat = high()
    low, full = picture(detail="low"), picture((20, 40))
    encoded = chat.processor.encode([user(low, full, low, "compare")])
    with torch.inference_mode():
        together = chat.features_of(encoded.images)
        alone = [chat.features_of([image])[0] for image in encoded.images]
    assert [len(feature) for feature in together] == [4, 20, 4]
    assert [chat.feature_count(image) for image in encoded.images] == [4, 20, 4]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_text_alone_needs_no_picture():
    chat = originals.chat()
    assert chat.features_of([]) == []
    encoded = chat.processor.encode([user("hello")])
    table = chat.module.get_input_embeddings()
    assert torch.equal(chat.embed(encoded), table(torch.tensor(encoded.ids)))


def test_a_batch_for_training_reaches_every_part():
    chat = originals.chat()
    messages = [[user(picture(), "what?"), assistant("a red fish")], [user("how many?"), assistant("three")]]
    batch = [chat.processor.encode(one, add_generation_prompt=False) for one in messages]
    embeddings, labels, mask = chat.embed_batch(batch)
    assert labels.shape == mask.shape == embeddings.shape[:2]
    assert (labels[mask == 0] == IGNORE_INDEX).all()
    embeddings.square().mean().backward()
    for name, part in chat.parts.items():
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters()), name


def test_parts_cover_every_parameter_once():
    for family in ("llama", "gemma"):
        chat = originals.chat(family=family)
        found = {id(p) for part in chat.parts.values() for p in part.parameters()}
        assert found == {id(p) for p in chat.module.parameters()}


@pytest.mark.parametrize("family", ["llama", "gemma", "mixtral"])
def test_a_saved_folder_says_what_the_model_said(tmp_path, family):
    chat = originals.chat(family=family)
    encoded = chat.processor.encode([user(picture(), "what is it?")])
    chat.save_pretrained(tmp_path)
    again = load_mgm(tmp_path)
    assert again.settings == chat.settings
    encoded_again = again.processor.encode([user(picture(), "what is it?")])
    assert encoded_again.ids == encoded.ids
    with torch.inference_mode():
        assert torch.equal(again.embed(encoded), chat.embed(encoded))
        for one, other in zip(again.module.parameters(), chat.module.parameters(), strict=True):
            assert torch.equal(one, other)


def test_a_picture_without_a_place_is_refused():
    with pytest.raises(UsageError, match="1 places for pictures, but 0 came"):
        originals.chat().embed(Encoded((5, IMAGE_INDEX), (False, False)))
