import pytest
import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

import tiny
from gesso.core.errors import UsageError
from gesso.core.messages import Image, assistant, user
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX, Encoded
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.processor import LlavaProcessor
from models.llava import originals

UNPAD = {
    "image_aspect_ratio": "anyres",
    "patch_merge_type": "spatial_unpad",
    "image_grid_pinpoints": ((28, 56), (56, 28), (56, 56)),
}


def build(tokenizer=None, **changes):
    of = originals.settings(template="storybook", **changes)
    return LlavaChat(originals.module(of), LlavaProcessor(tokenizer or tiny.tokenizer(), of))


def picture_tokenizer():
    """The tiny tokenizer with an `<image>` of its own."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer().backend_tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        UNPAD,
        {**UNPAD, "patch_merge_type": "spatial"},
        {**UNPAD, "patch_merge_type": "flat"},
        {"select_feature": "cls_patch"},
    ],
)
def test_pictures_take_as_many_positions_as_counted(changes, grey):
    chat = build(**changes)
    encoded = chat.processor.encode([user(Image(grey(60, 25)), Image(grey(20, 70)), "compare")])
    with torch.inference_mode():
        features = chat.image_features([i.pixels for i in encoded.images], [i.size for i in encoded.images])
        embeddings = chat.embed(encoded)
    counts = [chat.feature_count(image) for image in encoded.images]
    assert [len(feature) for feature in features] == counts
    assert len(embeddings) == len(encoded.ids) - 2 + sum(counts)


def test_pictures_seen_together_look_as_they_do_alone(grey):
    chat = build(**UNPAD)
    images = chat.processor.encode([user(Image(grey(60, 25)), Image(grey(30, 30)), "?")]).images
    with torch.inference_mode():
        together = chat.image_features([i.pixels for i in images], [i.size for i in images])
        alone = [chat.image_features([i.pixels], [i.size])[0] for i in images]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_sizes_are_needed_to_unpad_and_not_for_flat(grey):
    encoded = build().processor.encode([user(Image(grey(9, 9)), "?")])
    tiles = [image.pixels for image in encoded.images]
    assert len(build().image_features(tiles)[0]) == 16
    with pytest.raises(UsageError, match="give `sizes`"):
        build(**UNPAD).image_features(tiles)
    assert build().image_features([]) == []


def test_text_alone_is_embedded_by_the_table():
    chat = build()
    encoded = chat.processor.encode([user("hello")])
    table = chat.module.get_input_embeddings()
    assert torch.equal(chat.embed(encoded), table(torch.tensor(encoded.ids)))


def test_parts_cover_every_parameter_once():
    for chat in (build(), build(**UNPAD)):
        parts = chat.parts
        assert list(parts) == ["vision", "projector", "language"]
        found = [id(p) for part in parts.values() for p in part.parameters()]
        assert sorted(found) == sorted(id(p) for p in chat.module.parameters())


def test_batch_for_training_is_padded_labelled_and_differentiable(grey):
    chat = build()
    messages = [[user(Image(grey(30, 20)), "what?"), assistant("a red fish")],
                [user("how many?"), assistant("three")]]  # fmt: skip
    batch = [chat.processor.encode(one, add_generation_prompt=False) for one in messages]
    embeddings, labels, mask = chat.embed_batch(batch)
    for row, encoded in enumerate(batch):
        alone = chat.embed(encoded)
        length = len(alone)
        torch.testing.assert_close(embeddings[row, :length], alone)
        assert mask[row].tolist() == [1] * length + [0] * (mask.shape[1] - length)
        learned = [i for i, marked in zip(encoded.ids, encoded.supervised, strict=True) if marked]
        assert labels[row][labels[row] != IGNORE_INDEX].tolist() == learned
        assert (labels[row, length:] == IGNORE_INDEX).all()
    assert labels.shape == mask.shape == embeddings.shape[:2]
    embeddings.square().mean().backward()
    for name, part in chat.parts.items():
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters()), name


def test_rows_too_long_for_the_model_are_cut_in_training():
    chat = build(max_length=8)
    row = Encoded((5,) * 12, (True,) * 12)
    embeddings, labels, mask = chat.embed_batch([row])
    assert embeddings.shape[:2] == labels.shape == mask.shape == (1, 8)


def test_batch_of_texts_alone_trains():
    embeddings, _, mask = build().embed_batch([Encoded((5, 6), (False, True)), Encoded((5,), (True,))])
    assert mask.tolist() == [[1, 1], [1, 0]]
    assert embeddings.shape == (2, 2, 32)


def test_language_model_takes_embeddings_and_keeps_the_last_logits():
    chat = build()
    embeddings = chat.embed(Encoded((5, 6, 7), (False,) * 3))[None]
    with torch.inference_mode():
        everywhere = chat.language_model(inputs_embeds=embeddings).logits
        last = chat.language_model(inputs_embeds=embeddings, logits_to_keep=1).logits
    torch.testing.assert_close(everywhere[:, -1:], last)
    assert chat.language_model.get_decoder() is chat.module.model.language_model


@pytest.mark.parametrize("changes", [{"image_aspect_ratio": "square"}, {"image_aspect_ratio": "pad"}, UNPAD])
@pytest.mark.parametrize("size", [(60, 40), (28, 28), (25, 70)])
def test_transformers_alone_computes_the_same_from_a_saved_folder(tmp_path, changes, size, grey):
    chat = build(picture_tokenizer(), **changes)
    assert chat.processor.tokenizer.image_token == "<image>"
    image_id = chat.processor.tokenizer.convert_tokens_to_ids("<image>")
    chat.module.config.image_token_index = image_id
    chat.module.resize_token_embeddings(max(len(chat.processor.tokenizer), image_id + 1))
    chat.save_pretrained(tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what is it?"}]}]
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs = processor(images=[grey(*size)], text=prompt, return_tensors="pt")
    encoded = chat.processor.encode([user(Image(grey(*size)), "what is it?")])
    with torch.inference_mode():
        theirs = model(**inputs).logits[0, -1]
        ours = chat.language_model(inputs_embeds=chat.embed(encoded)[None]).logits[0, -1]
    assert inputs["input_ids"].shape[1] == len(chat.embed(encoded))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_settings_changed_after_loading_are_saved(tmp_path):
    chat = build()
    processor = LlavaProcessor(tiny.tokenizer(), originals.settings(template="vicuna_v1"))
    LlavaChat(chat.module, processor).save_pretrained(tmp_path)
    model = LlavaForConditionalGeneration.from_pretrained(tmp_path)
    assert model.config.gesso["template"] == "vicuna_v1"


def test_a_picture_without_a_place_is_refused():
    with pytest.raises(UsageError, match="1 places for pictures, but 0 came"):
        build().embed(Encoded((5, IMAGE_INDEX), (False, False)))
