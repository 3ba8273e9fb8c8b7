from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pictures
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import tiny
from gesso.core.errors import CheckpointError, MediaError, UnknownNameError, UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, Message, assistant, user
from gesso.media.fetch import FetchPolicy
from gesso.media.images import data_url
from gesso.models.base import IMAGE_INDEX, Processor
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.tokens import PromptTokenizer

FIXTURES = Path(__file__).parents[2] / "fixtures/llava/tokenizer"
RED = Image(Pictures.new("RGB", (8, 8), "red"))


def _processor(**options: Any) -> LlavaProcessor:
    settings = {"image_size": 8, "patch_size": 4, "template": "storybook", **options}
    return LlavaProcessor(tiny.tokenizer(), LlavaSettings(**settings))


def _text(processor: LlavaProcessor, ids: tuple[int, ...]) -> str:
    return str(processor.tokenizer.decode([i for i in ids if i != IMAGE_INDEX]))


def test_a_question_about_a_picture() -> None:
    processor: Processor = _processor()
    encoded = processor.encode([user(RED, "what?")])
    assert encoded.ids.count(IMAGE_INDEX) == 1
    assert _text(_processor(), encoded.ids) == "USER: \nwhat? ASSISTANT:"
    assert not any(encoded.supervised)
    assert encoded.images[0].pixels.shape == (1, 3, 8, 8)
    assert encoded.images[0].size == (8, 8)


def test_text_alone() -> None:
    encoded = _processor().encode([user("what?")])
    assert IMAGE_INDEX not in encoded.ids
    assert encoded.images == ()


def test_training_ids_begin_with_the_prompt_and_supervise_the_rest() -> None:
    processor = _processor()
    messages = [user(RED, "what?"), assistant("a red fish")]
    prompt = processor.encode(messages[:1]).ids
    trained = processor.encode(messages, add_generation_prompt=False)
    assert trained.ids[: len(prompt)] == prompt
    assert trained.supervised == (False,) * len(prompt) + (True,) * (len(trained.ids) - len(prompt))
    assert _text(processor, trained.ids[len(prompt) :]) == " a red fish</s>"


def test_original_templates_tokenise_the_whole_prompt_as_the_original_does() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokenizer_legacy")
    processor = LlavaProcessor(tokenizer, LlavaSettings(image_size=8, patch_size=4))
    encoded = processor.encode([user(RED, "What?"), assistant("A fish."), user("Sure?")])
    assert processor.template.system is not None
    prompt = f"{processor.template.system} USER: <image>\nWhat? ASSISTANT: A fish.</s>USER: Sure? ASSISTANT:"
    assert encoded.ids == PromptTokenizer(tokenizer).prompt(prompt)


def test_pictures_keep_their_order() -> None:
    blue = Image(Pictures.new("RGB", (8, 8), "blue"))
    encoded = _processor().encode([user(RED, blue, "a"), assistant("b"), user("c", RED)])
    assert encoded.ids.count(IMAGE_INDEX) == 3
    first, second, third = (tiles.pixels for tiles in encoded.images)
    assert torch.equal(first, third)
    assert not torch.equal(first, second)


def test_low_detail_leaves_the_tiles_out() -> None:
    processor = _processor(image_aspect_ratio="anyres", image_grid_pinpoints=((16, 8), (8, 16)))
    source = Pictures.new("RGB", (16, 8))
    tiles = [
        processor.encode([user(Image(source, detail))]).images[0].pixels.shape[0]
        for detail in ("low", "auto", "high")
    ]
    assert tiles == [1, 3, 3]


def test_pictures_can_be_marked() -> None:
    encoded = _processor(use_im_start_end=True).encode([user(RED, "what?")])
    assert "USER: <im_start><im_end>\nwhat?" in _text(_processor(), encoded.ids)


def test_a_group_reads_a_shared_picture_once() -> None:
    processor = _processor()
    conversations = [[user(RED, "a"), assistant("b")], [user(RED, "c"), assistant("d")]]
    group = processor.encode_group(conversations)
    assert group[0].images[0] is group[1].images[0]
    alone = [processor.encode(messages, add_generation_prompt=False) for messages in conversations]
    assert [encoded.ids for encoded in group] == [encoded.ids for encoded in alone]
    assert [encoded.supervised for encoded in group] == [encoded.supervised for encoded in alone]


def test_a_group_that_is_made_as_it_is_read_keeps_its_pictures_apart() -> None:
    colours = ("red", "green", "blue", "white") * 3
    conversations = (
        [user(Image(Pictures.new("RGB", (8, 8), colour)), "a"), assistant("b")] for colour in colours
    )
    pixels = [encoded.images[0].pixels for encoded in _processor().encode_group(conversations)]
    assert len({tuple(tile.flatten().tolist()) for tile in pixels}) == 4
    assert all(torch.equal(pixels[i], pixels[i + 4]) for i in range(8))


def test_too_long_a_conversation_is_refused_with_both_numbers() -> None:
    messages = [user(RED, "what?")]
    length = len(_processor().encode(messages).ids) - 1 + 4
    assert _processor(max_length=length).encode(messages)
    with pytest.raises(
        UsageError, match=f"{length} positions long, 4 of them for pictures; .* {length - 1},"
    ):
        _processor(max_length=length - 1).encode(messages)


def test_what_llava_does_not_take_is_refused() -> None:
    with pytest.raises(
        UnsupportedError, match="Audio in a message of the user; this model takes Text and Image"
    ):
        _processor().encode([user(Audio("a.wav"))])
    with pytest.raises(UsageError, match="roles in this order"):
        _processor().encode([assistant("Hello!")])
    with pytest.raises(UnknownNameError, match="unknown template"):
        _processor(template="storybok")


def test_the_policy_decides_which_sources_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    RED.source.save(path)
    strict = LlavaProcessor(
        tiny.tokenizer(),
        LlavaSettings(image_size=8, template="storybook"),
        policy=FetchPolicy(allow_paths=False),
    )
    with pytest.raises(MediaError, match="policy forbids"):
        strict.encode([user(Image(str(path)))])
    read = _processor().encode([user(Image(path))]).images[0].pixels
    assert torch.equal(strict.encode([user(Image(data_url(RED.source)))]).images[0].pixels, read)


def test_a_tokenizer_without_an_end_token_is_refused() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny.tokenizer().backend_tokenizer)
    with pytest.raises(CheckpointError, match="set its eos_token"):
        LlavaProcessor(tokenizer, LlavaSettings(template="storybook"))


def test_encoding_is_quick() -> None:
    processor = _processor(image_size=96, patch_size=12, image_aspect_ratio="square")
    grey = np.zeros((96, 96, 3), np.uint8)
    messages: list[Message] = [user(Image(Pictures.fromarray(grey)), "what?"), assistant("a red fish")]

    def seconds() -> float:
        start = perf_counter()
        processor.encode(messages, add_generation_prompt=False)
        return perf_counter() - start

    # measured 0.15 ms; the least of many, as other work may run beside
    assert min(seconds() for _ in range(50)) < 0.5e-3
