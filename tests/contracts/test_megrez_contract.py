"""What vLLM's transformers backend asks of a model that sees and hears, put to a tiny Megrez."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Pictures
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedTokenizerFast,
)

from gesso.core.errors import MediaError, UsageError
from gesso.core.messages import Audio, Image, user
from gesso.models.base import AUDIO_INDEX, IMAGE_INDEX
from gesso.models.megrez.convert import load_megrez
from gesso.models.megrez.model import MegrezChat
from gesso.models.megrez.processor import MegrezProcessor
from models.megrez import originals

MARKS = {"image_token": "<image>", "audio_token": "<audio>"}
PICTURES = [Pictures.effect_noise(size, 80).convert("RGB") for size in ((100, 70), (40, 30))]
SOUNDS = [originals.sound(0.3), originals.sound(0.6, 500)]
TEXT = "look: <image>\n hear: <audio>\nwhat?"


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> MegrezChat:
    plain: Any = originals.chat(tmp_path_factory.mktemp("published"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(originals.CASE / "tokenizer.json"),
        eos_token="<|turn_end|>", pad_token="<|pad|>", extra_special_tokens=MARKS,
    )  # fmt: skip
    config, module = plain.module.config, plain.module
    config.image_token_id, config.audio_token_id = tokenizer.convert_tokens_to_ids([*MARKS.values()])
    module.language_model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    processor = MegrezProcessor(tokenizer, plain.settings, mels=config.audio_config.num_mel_bins)
    return MegrezChat(module, processor)


@pytest.fixture(scope="module")
def folder(chat: MegrezChat, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved")
    chat.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def processor(folder: Path) -> Any:
    return AutoProcessor.from_pretrained(folder)


def test_auto_classes_find_config_base_and_whole(folder: Path, model: Any) -> None:
    assert type(model.config) is type(AutoConfig.from_pretrained(folder))
    base: Any = AutoModel.from_pretrained(folder, dtype=torch.float32)
    # what vLLM builds, and puts a head of its own on; its names are found in the folder by dropping one step
    whole = model.state_dict()
    for name, weight in base.state_dict().items():
        step = name.replace("language_model.", "language_model.model.")
        assert torch.equal(weight, whole[step]), name
    ids = torch.tensor([[5, 6, 7]])
    hidden = base(input_ids=ids).last_hidden_state
    torch.testing.assert_close(model.get_output_embeddings()(hidden), model(input_ids=ids).logits)


def test_parts_are_where_they_are_looked_for(folder: Path, model: Any) -> None:
    assert model._supports_attention_backend
    model.set_attn_implementation("eager")
    assert {
        model.config.get_text_config()._attn_implementation,
        model.vision.config._attn_implementation,
    } == {"eager"}
    assert model.get_encoder("image") is model.vision
    assert model.get_encoder("audio") is model.audio
    base: Any = AutoModel.from_pretrained(folder)
    assert base.get_decoder() is base.language_model
    assert len([child for child in base.language_model.children() if isinstance(child, nn.ModuleList)]) == 1
    assert base.config.audio_config.max_source_positions > 0
    assert set(base.language_model.config.base_model_tp_plan)


def test_the_processor_says_how_many_tokens_media_take(processor: Any, model: Any) -> None:
    assert (processor.image_token_id, processor.audio_token_id) == (
        model.config.image_token_id,
        model.config.audio_token_id,
    )
    told = processor._get_num_multimodal_tokens(
        image_sizes=[picture.size[::-1] for picture in PICTURES], audio_lengths=[len(s) for s in SOUNDS]
    )
    inputs = processor(text=[TEXT, TEXT], images=PICTURES, audio=SOUNDS, return_tensors="pt", padding=True)
    for row in range(2):
        ids = inputs["input_ids"][row]
        assert int((ids == processor.image_token_id).sum()) == told.num_image_tokens[row]
        assert int((ids == processor.audio_token_id).sum()) == told.num_audio_tokens[row]
    assert told.num_image_patches[0] > told.num_image_patches[1]  # cut, and whole
    assert len(inputs["pixel_values"]) == sum(told.num_image_patches)
    seen = model.get_image_features(inputs["pixel_values"], inputs["target_sizes"], return_dict=True)
    assert seen.pooler_output.flatten(0, 1).shape[0] == sum(told.num_image_tokens)
    heard = model.get_audio_features(inputs["input_features"], inputs["audio_frames"], return_dict=True)
    assert [len(span) for span in heard.pooler_output] == told.num_audio_tokens
    assert (processor.feature_extractor.sampling_rate, processor.feature_extractor.chunk_length) == (
        16000,
        30,
    )
    with pytest.raises(UsageError, match="feature_layer given"):
        model.get_image_features(inputs["pixel_values"], inputs["target_sizes"], feature_layer=1)


def test_replaced_tokens_are_pointed_at(processor: Any) -> None:
    inputs = processor(
        text=[TEXT], images=PICTURES[:1], audio=SOUNDS[:1], return_tensors="pt",
        return_mm_token_type_ids=True, return_text_replacement_offsets=True,
    )  # fmt: skip
    kinds = inputs["mm_token_type_ids"]
    assert torch.equal(kinds == 1, inputs["input_ids"] == processor.image_token_id)
    assert torch.equal(kinds == 3, inputs["input_ids"] == processor.audio_token_id)
    offsets = inputs["text_replacement_offsets"][0]
    assert [TEXT[slice(*offset["span"])] for offset in offsets] == ["<image>", "<audio>"]
    for each in (processor.image_processor, processor.feature_extractor):
        assert set(each.model_input_names) <= set(inputs)


def test_an_item_is_the_same_alone_and_among_others(processor: Any, model: Any) -> None:
    together = processor(text=[TEXT, TEXT], images=PICTURES, audio=SOUNDS, return_tensors="pt", padding=True)
    alone = [
        processor(text=[TEXT], images=[picture], audio=[sound], return_tensors="pt")
        for picture, sound in zip(PICTURES, SOUNDS, strict=True)
    ]
    for name in ("pixel_values", "target_sizes", "input_features", "audio_frames"):
        assert torch.equal(together[name], torch.cat([each[name] for each in alone])), name
    both = model.get_image_features(together["pixel_values"], together["target_sizes"]).pooler_output
    single = [model.get_image_features(a["pixel_values"], a["target_sizes"]).pooler_output for a in alone]
    torch.testing.assert_close(both, torch.cat(single), atol=1e-5, rtol=1e-5)


def test_transformers_and_gesso_make_the_same_of_a_conversation(
    processor: Any, model: Any, chat: MegrezChat
) -> None:
    parts = [
        {"type": "image"}, {"type": "image"}, {"type": "audio"}, {"type": "audio"},
        {"type": "text", "text": "What is this?"},
    ]  # fmt: skip
    text = processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
    inputs = processor(text=[text], images=PICTURES, audio=SOUNDS, return_tensors="pt")
    message = user(*map(Image, PICTURES), *map(Audio, SOUNDS), "What is this?")
    encoded = chat.processor.encode([message])
    expected: list[int] = []
    widths = iter([chat.sound_count(sound) for sound in encoded.sounds])
    for token in encoded.ids:
        if token == IMAGE_INDEX:
            expected += [processor.image_token_id] * chat.settings.image_feature_size
        elif token == AUDIO_INDEX:
            expected += [processor.audio_token_id] * next(widths)
        else:
            expected.append(token)
    assert inputs["input_ids"][0].tolist() == expected
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        theirs = model(**inputs).logits
        ours = chat.module(inputs_embeds=chat.embed(encoded)[None]).logits
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-4)
    said = model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    assert said.shape[1] == len(expected) + 4


def test_what_does_not_fit_transformers_form_is_refused(processor: Any, model: Any) -> None:
    with pytest.raises(MediaError, match=r"a sound of 31\.00 s; allowed: 0\.03 to 30 s"):
        processor(text=["<audio>"], audio=[originals.sound(31)])
    with pytest.raises(MediaError, match=r"patches; transformers' form has room for"):
        processor(text=["<image>"], images=[Pictures.new("RGB", (9000, 1))])
    with pytest.raises(UsageError, match="do_resize given; Megrez's settings decide"):
        processor(text=["<image>"], images=PICTURES[:1], do_resize=False)
    inputs = processor(text=[TEXT], images=PICTURES[:1], audio=SOUNDS[:1], return_tensors="pt")
    inputs["input_ids"][inputs["input_ids"] == processor.image_token_id] = 5
    with pytest.raises(UsageError, match=r"pictures have .* features for 0 positions"):
        model(
            input_ids=inputs["input_ids"], **{k: v for k, v in inputs.items() if k.startswith(("pix", "tar"))}
        )


def test_a_saved_folder_is_read_by_gesso(folder: Path, chat: MegrezChat) -> None:
    again = load_megrez(folder)
    assert again.settings == chat.settings
    ids = again.processor.encode([user("Hi")]).ids
    assert ids == chat.processor.encode([user("Hi")]).ids
