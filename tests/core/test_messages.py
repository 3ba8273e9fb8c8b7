from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import ROLES, Audio, Image, Message, Part, Text, Video, assistant, system, user

urls = st.text(min_size=1)
images = st.builds(Image, urls, st.sampled_from(["auto", "low", "high"]))
formats = st.none() | st.text(max_size=5)
data_urls = st.builds(
    lambda kind, data: Audio(f"data:audio/{kind};base64,{data}", kind), st.text(max_size=5), st.text()
)
audios = st.builds(Audio, urls, formats) | data_urls
parts = st.one_of(st.builds(Text, st.text()), images, audios, st.builds(Video, urls))


@given(st.sampled_from(ROLES), st.lists(parts))
def test_a_message_keeps_its_parts_on_the_wire_and_back(role: Any, content: list[Part]) -> None:
    message = Message(role, tuple(content))
    assert Message.from_openai(message.to_openai()) == message


def test_one_text_becomes_a_string_and_several_a_list() -> None:
    assert user("a cat").to_openai() == {"role": "user", "content": "a cat"}
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "cat"}]
    assert user("a ", "cat").to_openai() == {"role": "user", "content": parts}


@pytest.mark.parametrize(
    ("audio", "part"),
    [
        (
            Audio("data:audio/mp3;base64,AAAA", "mp3"),
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ),
        (
            Audio("https://a.test/x", "mp3"),
            {"type": "audio_url", "audio_url": {"url": "https://a.test/x", "format": "mp3"}},
        ),
        (Audio("https://a.test/x"), {"type": "audio_url", "audio_url": {"url": "https://a.test/x"}}),
    ],
)
def test_a_sound_keeps_its_format(audio: Audio, part: dict[str, Any]) -> None:
    assert user(audio).to_openai()["content"] == [part]


def test_the_helpers_make_parts_in_order() -> None:
    image = Image("x.png")
    assert user(image, "what is it?") == Message("user", (image, Text("what is it?")))
    assert assistant("a ", "cat").text == "a cat"
    assert system("be brief") == Message("system", (Text("be brief"),))
    assert user(image, "and", image).images == (image, image)


def test_a_developer_speaks_as_the_system() -> None:
    assert Message.from_openai({"role": "developer", "content": "be brief"}) == system("be brief")


def test_original_detail_is_read_as_high() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://a.test/x.png", "detail": "original"}}
    message = Message.from_openai({"role": "user", "content": [part]})
    assert message.images == (Image("https://a.test/x.png", "high"),)


def test_input_audio_becomes_a_data_url_that_knows_its_format() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}
    message = Message.from_openai({"role": "user", "content": [part]})
    assert message.parts == (Audio("data:audio/mp3;base64,AAAA", "mp3"),)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"role": "tool", "content": "x"}, "'tool'"),
        ({"role": "user", "content": "x", "name": "Ann"}, "'name'"),
        ({"role": "user", "content": [{"type": "file"}]}, "'file'"),
        ({"role": "user", "content": ["x"]}, "None"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "weight": 2}]}, "'weight'"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x", "crop": 1}}]},
            "'crop'",
        ),
        (
            {"role": "user", "content": [{"type": "audio_url", "audio_url": {"url": "x"}, "text": ""}]},
            "'text'",
        ),
        ({"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x", "fps": 1}}]}, "'fps'"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(message: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{named}.*allowed"):
        Message.from_openai(message)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "NoneType"),
        (3, "int"),
        ([{"type": "text"}], "'text' is NoneType"),
        ([{"type": "text", "text": 3}], "'text' is int"),
        ([{"type": "image_url", "image_url": "x.png"}], "'image_url' is str"),
        ([{"type": "image_url", "image_url": {}}], "'url' is NoneType"),
        ([{"type": "image_url", "image_url": {"url": "x", "detail": "full"}}], "detail 'full'"),
        ([{"type": "image_url", "image_url": {"url": "x", "detail": []}}], r"detail \[\]"),
        ([{"type": "input_audio", "input_audio": {"format": "wav"}}], "'data' is NoneType"),
        ([{"type": "input_audio", "input_audio": {"data": "AAAA"}}], "'format' is NoneType"),
    ],
)
def test_malformed_content_is_refused(content: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Message.from_openai({"role": "user", "content": content})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
field_names = st.sampled_from(["type", "text", "image_url", "url", "detail", "input_audio", "data", "format"])
part_kinds = st.sampled_from(["text", "image_url", "input_audio", "audio_url", "video_url", "other"])
wire_parts = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    part_kinds,
    st.dictionaries(field_names, json_values | st.dictionaries(field_names, json_values, max_size=3)),
)


@given(
    st.dictionaries(st.sampled_from(["role", "content", "name"]), json_values),
    st.none() | st.lists(wire_parts, max_size=3),
)
def test_any_json_gives_a_message_or_a_usage_error(message: dict[str, Any], content: Any) -> None:
    wire = {"role": "user", "content": content} if content is not None else message
    with suppress(UsageError):
        assert Message.from_openai(wire).role in ROLES


@pytest.mark.parametrize("source", [b"\x89PNG", Path("x.png")])
def test_a_picture_held_in_memory_has_no_url_form(source: object) -> None:
    with pytest.raises(UnsupportedError, match=rf"{type(source).__name__} has no URL form.*data_url"):
        user(Image(source)).to_openai()


def test_messages_refuse_other_roles_parts_and_details() -> None:
    with pytest.raises(UsageError, match="role 'robot'; allowed: system, user, assistant"):
        Message("robot", ())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="type str; allowed: Text, Image"):
        Message("user", ("hello",))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="detail 'tiny'; allowed: auto, low, high"):
        Image("x.png", "tiny")  # type: ignore[arg-type]


def test_sounds_are_the_audio_parts_in_order() -> None:
    first, second = Audio("a.wav"), Audio("b.wav")
    assert user(first, "and", Image("a.png"), second).sounds == (first, second)
