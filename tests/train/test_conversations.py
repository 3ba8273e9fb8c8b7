import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage
from transformers import PreTrainedTokenizerFast

from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.core.messages import Image, Text, assistant, user
from gesso.models.base import IMAGE_INDEX, Encoded
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.storybook.tell import describe
from gesso.train.conversations import LlavaJson, StorybookConversations
from gesso.train.pictures import PictureStore


@pytest.fixture
def processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    settings = LlavaSettings(template="storybook", image_size=48, patch_size=8, max_length=4096)
    return LlavaProcessor(tokenizer, settings)


def storybook(folder: Path, **data: Any) -> StorybookConversations:
    store = PictureStore(folder, seed=1, count=4, size=48, patch=8)
    return StorybookConversations(store, DataSettings(count=4, size=48, **data))


def answers(tokenizer: PreTrainedTokenizerFast, encoded: Encoded) -> str:
    pairs = zip(encoded.ids, encoded.supervised, strict=True)
    return str(tokenizer.decode([token for token, learned in pairs if learned]))


def test_every_question_is_a_conversation_about_the_same_picture(
    tmp_path: Path, processor: LlavaProcessor, tokenizer: PreTrainedTokenizerFast
) -> None:
    source = storybook(tmp_path, questions=3, chinese=0.0)
    group = source.encode(processor, 2, number=0)
    assert len(source) == 4
    assert len(group) == 4
    scene = PictureStore(tmp_path, seed=1, count=4, size=48, patch=8).scene(2)
    assert f" {describe(scene)}</s>" in [answers(tokenizer, encoded) for encoded in group]
    for encoded in group:
        assert encoded.ids.count(IMAGE_INDEX) == len(encoded.images) == 1
        assert encoded.images[0] is group[0].images[0]
        assert encoded.images[0].pixels.shape == (1, 3, 48, 48)
        assert answers(tokenizer, encoded).endswith("</s>")
        assert not encoded.supervised[0]


def test_what_is_asked_follows_from_the_micro_batch(tmp_path: Path, processor: LlavaProcessor) -> None:
    source = storybook(tmp_path, questions=3)
    first, again, later = (source.encode(processor, 1, number) for number in (0, 0, 1))
    assert [encoded.ids for encoded in first] == [encoded.ids for encoded in again]
    assert [encoded.ids for encoded in first] != [encoded.ids for encoded in later]


def test_shares_of_languages_and_descriptions_are_kept(
    tmp_path: Path, processor: LlavaProcessor, tokenizer: PreTrainedTokenizerFast
) -> None:
    chinese = storybook(tmp_path, questions=2, chinese=1.0, describe=0.0).encode(processor, 0, 0)
    assert len(chinese) == 2
    assert all(
        any("一" <= letter <= "鿿" for letter in tokenizer.decode([i for i in e.ids if i >= 0]))
        for e in chinese
    )


@pytest.mark.parametrize("describe_share", [0.0, 1.0])
def test_without_questions_every_picture_is_described(
    tmp_path: Path, processor: LlavaProcessor, tokenizer: PreTrainedTokenizerFast, describe_share: float
) -> None:
    source = storybook(tmp_path, questions=0, chinese=0.0, describe=describe_share)
    (encoded,) = source.encode(processor, 0, 0)
    scene = PictureStore(tmp_path, seed=1, count=4, size=48, patch=8).scene(0)
    assert answers(tokenizer, encoded) == f" {describe(scene)}</s>"


def turns(*values: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]


def llava_json(folder: Path, *samples: Any) -> LlavaJson:
    path = folder / "samples.json"
    path.write_text(json.dumps(samples), encoding="utf-8")
    return LlavaJson(path, folder)


def test_a_sample_becomes_messages_with_its_picture_first(tmp_path: Path) -> None:
    values = ("What is this?\n<image>", "A cat.", "Is it red?", "No.")
    data = llava_json(tmp_path, {"id": "a", "image": "cats/1.png", "conversations": turns(*values)})
    assert len(data) == 1
    assert data.messages(0) == [
        user(Image(tmp_path / "cats/1.png"), "What is this?"),
        assistant("A cat."),
        user("Is it red?"),
        assistant("No."),
    ]


def test_several_pictures_stand_at_the_turns_that_mention_them(tmp_path: Path) -> None:
    values = ("<image>\n<image>\nWhich is red?", "The first.", "<image>\nAnd this?", "Blue.")
    data = llava_json(tmp_path, {"image": ["1.png", "2.png", "3.png"], "conversations": turns(*values)})
    messages = data.messages(0)
    assert [[image.source.name for image in message.images] for message in messages] == [
        ["1.png", "2.png"], [], ["3.png"], [],
    ]  # fmt: skip
    assert messages[2].text == "And this?"


def test_an_answer_to_nothing_is_left_out(tmp_path: Path) -> None:
    opening = {"from": "gpt", "value": "Welcome."}
    data = llava_json(tmp_path, {"conversations": [opening, *turns("Hello", "Hi.")]})
    assert data.messages(0) == [user("Hello"), assistant("Hi.")]


def test_without_a_picture_the_tag_is_ordinary_text(tmp_path: Path) -> None:
    data = llava_json(tmp_path, {"conversations": turns("What does <image> mean?", "A tag.")})
    assert data.messages(0)[0].parts == (Text("What does <image> mean?"),)


def test_a_sample_is_encoded_with_its_pixels(
    tmp_path: Path, processor: LlavaProcessor, tokenizer: PreTrainedTokenizerFast
) -> None:
    PILImage.new("RGB", (30, 20), "red").save(tmp_path / "1.png")
    sample = {"image": "1.png", "conversations": turns("<image>\nWhat?", "Red.", "Sure?", "Yes.")}
    (encoded,) = llava_json(tmp_path, sample).encode(processor, 0, number=7)
    assert answers(tokenizer, encoded) == " Red.</s> Yes.</s>"
    assert encoded.images[0].size == (30, 20)
    assert torch.isfinite(encoded.images[0].pixels).all()


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            {"id": "x", "image": "1.png", "conversations": turns("What?", "A cat.")},
            "sample x: 1 pictures, but 0 <image> tags",
        ),
        (
            {"image": ["1.png", "2.png"], "conversations": turns("<image>", "A cat.")},
            "sample 0: 2 pictures, but 1 <image> tags",
        ),
        (
            {"image": "1.png", "conversations": turns("<image> and <image>?", "A cat.")},
            "sample 0: 1 pictures, but 2 <image> tags",
        ),
        (
            {"id": 7, "conversations": [{"from": "robot", "value": "hi"}]},
            "sample 7: turn from 'robot'; allowed",
        ),
        ({"id": 7, "conversations": turns("Only this")}, "sample 7: 1 turns; a conversation needs two"),
        ({"id": 7}, "sample 7: 0 turns"),
        ("text", "sample 0 is of type str"),
        ({"conversations": None}, "sample 0: conversations of type NoneType"),
        ({"conversations": ["hello", "there"]}, "sample 0: turn 'hello'; it must be a mapping"),
        ({"conversations": [{"from": "human", "value": 3}]}, "sample 0: turn .*a text"),
        ({"conversations": [{"from": [], "value": "hi"}]}, r"sample 0: turn from \[\]; allowed: human, gpt"),
        ({"image": 3, "conversations": turns("<image>", "A cat.")}, "sample 0: image 3; it must be a path"),
        ({"image": [3], "conversations": turns("<image>", "A cat.")}, r"sample 0: image \[3\]"),
    ],
)
def test_bad_samples_are_refused_by_their_id(tmp_path: Path, sample: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        llava_json(tmp_path, sample).messages(0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("<image>"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
any_turns = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "from": st.sampled_from(["human", "gpt", "system"]) | json_values,
            "value": st.text(alphabet="ab <>\n", max_size=9) | st.just("<image>\nWhat?") | json_values,
        },
    )
    | json_values,
    max_size=4,
)
any_samples = json_values | st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "image": st.just("a.png") | json_values,
        "conversations": any_turns | json_values,
    },
)


@given(any_samples)
def test_any_json_gives_messages_with_all_its_pictures_or_an_error(sample: Any) -> None:
    data = object.__new__(LlavaJson)
    data._samples = [(sample, Path("pictures"))]
    assert isinstance(data.lengths[0], int)
    with suppress(TrainingError):
        messages = data.messages(0)
        named = sample.get("image", [])
        assert sum(len(message.images) for message in messages) == (
            len(named) if isinstance(named, list) else 1
        )
        assert messages[0].role == "user"


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot read .*give a LLaVA JSON list"), ("{}", "holds no list"), ("[]", "holds no list")],
)
def test_files_of_another_form_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.json").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=message):
        LlavaJson(tmp_path / "bad.json", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot read .*none.json"):
        LlavaJson(tmp_path / "none.json", tmp_path)


def test_files_are_joined_with_their_own_pictures(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>\na b"}, {"from": "gpt", "value": "c"}]
    plain = [{"from": "human", "value": "a b"}, {"from": "gpt", "value": "c"}]
    (tmp_path / "own.json").write_text(json.dumps([{"image": "x.png", "conversations": turns}]))
    (tmp_path / "drawing.json").write_text(json.dumps([{"conversations": plain}] * 2))
    files = [(tmp_path / name, tmp_path / name.split(".")[0]) for name in ("own.json", "drawing.json")]
    data = LlavaJson.joined(files)
    assert len(data) == 3
    assert data.lengths == [4, -3, -3]
    assert data.messages(0)[0].images[0].source == tmp_path / "own" / "x.png"
    assert data.messages(2)[0].text == "a b"
