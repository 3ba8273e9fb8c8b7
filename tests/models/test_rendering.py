from collections.abc import Sequence
from typing import Any

import pytest

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, Message, Text, Video, assistant, system, user
from gesso.models.rendering import Piece, render
from gesso.models.templates import get_template

CAT, DOG = Image("cat.png"), Image("dog.png")
TALK = [user(CAT, "What?"), assistant("A cat."), user("Sure?"), assistant("Yes.")]


def _pieces(name: str, messages: Sequence[Message], **options: Any) -> tuple[Piece, ...]:
    options.setdefault("add_generation_prompt", bool(messages) and messages[-1].role == "user")
    return render(get_template(name), messages, **options)


def _text(name: str, messages: Sequence[Message], **options: Any) -> str:
    pieces = _pieces(name, messages, **options)
    return "".join("<image>" if piece.kind == "picture" else piece.text for piece in pieces)


def _supervised(name: str, messages: Sequence[Message]) -> str:
    return "|".join(piece.text for piece in _pieces(name, messages) if piece.supervised)


def test_pictures_come_first_whatever_their_place() -> None:
    assert _text("storybook", [user("a", CAT, "b", DOG)]) == "USER: <image>\n<image>\nab ASSISTANT:"
    assert _text("storybook", [user(CAT)]) == "USER: <image> ASSISTANT:"


def test_pictures_may_come_in_any_user_turn() -> None:
    text = _text("v1", [user("Hello."), assistant("Hello!"), user(CAT, "What?")])
    assert text.endswith("USER: Hello. ASSISTANT: Hello!</s>USER: <image>\nWhat? ASSISTANT:")


def test_several_pictures_may_be_numbered_across_turns() -> None:
    messages = [user(Image("a"), Image("b"), "?"), assistant("a"), user(Image("c"), "?")]
    for count, numbers in ((3, ["1", "2", "3"]), (1, [])):
        pieces = render(
            get_template("vicuna_v1"), messages[-count:], add_generation_prompt=True, number_pictures=True
        )
        text = "".join("<image>" if piece.kind == "picture" else piece.text for piece in pieces)
        assert [number for number in "1234" if f"Image {number}:<image>" in text] == numbers


def test_marks_and_tags_stand_around_pictures() -> None:
    assert "USER: <im_start><image><im_end>\nWhat?" in _text("v1", TALK, mark_pictures=True)
    assert "USER: <Image><image></Image>\nWhat?" in _text("v1_mmtag", TALK)
    assert "<Image><im_start><image><im_end></Image>\n" in _text("v0_mmtag", TALK, mark_pictures=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v1", " |A cat.|</s>| |Yes.|</s>"),
        ("llama_2", " |A cat.| </s>| |Yes.| </s>"),
        ("mpt", "A cat.|<|im_end|>|Yes.|<|im_end|>"),
        ("default", " |A cat.|###| |Yes.|###"),
        ("storybook", " |A cat.|</s>| |Yes.|</s>"),
    ],
)
def test_answers_and_their_ends_are_supervised(name: str, expected: str) -> None:
    assert _supervised(name, TALK) == expected


def test_only_words_of_messages_count_as_words() -> None:
    words = [piece.text for piece in _pieces("v1", TALK) if piece.kind == "words"]
    assert words == ["What?", "A cat.", "Sure?", "Yes."]


def test_the_end_token_is_the_tokenizers() -> None:
    assert _text("storybook", TALK[:2], end_token="<|end|>").endswith("A cat.<|end|>")
    assert _text("v1", TALK[:2], end_token="<|end|>").endswith("A cat.</s>")


def test_a_system_message_takes_the_place_of_the_default() -> None:
    brief = [system("Be brief."), user("What?")]
    assert _text("v1", brief) == "Be brief. USER: What? ASSISTANT:"
    assert _text("mpt", brief).startswith("<|im_start|>system\nBe brief.<|im_end|><|im_start|>user\n")
    wrapped = "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat? [/INST]"
    assert _text("llama_2", brief) == _text("mistral_instruct", brief) == wrapped
    assert _text("v1", [system(""), user("What?")]) == "USER: What? ASSISTANT:"


@pytest.mark.parametrize("name", ["storybook", "plain"])
def test_a_template_without_a_place_for_it_refuses_a_system_message(name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"template {name} has no place for a system message"):
        _text(name, [system("Be brief."), user("What?")])


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [system("Be brief.")],
        [assistant("Hello!")],
        [user("a"), user("b")],
        [user("a"), assistant("b"), assistant("c")],
        [user("a"), system("Be brief.")],
    ],
)
def test_roles_out_of_order_are_refused(messages: list[Message]) -> None:
    with pytest.raises(UsageError, match=r"roles in this order: .*user and assistant in turn"):
        _text("v1", messages, add_generation_prompt=False)


def test_an_answered_conversation_leaves_nothing_to_answer() -> None:
    with pytest.raises(UsageError, match="nothing to answer"):
        _text("v1", TALK, add_generation_prompt=True)


@pytest.mark.parametrize("part", [Audio("a.wav"), Video("a.mp4")])
def test_sounds_and_films_are_refused(part: Audio | Video) -> None:
    with pytest.raises(
        UnsupportedError, match=f"{type(part).__name__} in a message of the user; .* Text and Image"
    ):
        _text("v1", [user(part, "What?")])


def test_pictures_stand_in_user_messages_only() -> None:
    with pytest.raises(
        UnsupportedError, match="Image in a message of the assistant; this model takes Text there"
    ):
        _text("v1", [user("Draw."), Message("assistant", (CAT,))])
    with pytest.raises(UnsupportedError, match="Image in a message of the system"):
        _text("v1", [Message("system", (Text("a"), CAT)), user("What?")])


def test_a_caption_pair_has_no_question() -> None:
    pair = [user(CAT, "Describe it."), assistant("a cat")]
    assert _text("plain", pair) == "<image>a cat\n"
    assert _supervised("plain", pair) == "a cat|\n"
    assert _text("plain", [user(CAT)]) == "<image>"
    assert _text("plain", [user(CAT, "What?")]) == "<image>\nWhat?\n"  # as the original asks such models


@pytest.mark.parametrize("messages", [TALK, [user("a"), assistant("b")], [user(CAT, DOG), assistant("b")]])
def test_captions_need_one_picture_and_one_answer(messages: list[Message]) -> None:
    with pytest.raises(UsageError, match="template plain takes one picture and its caption"):
        _text("plain", messages)


def test_sounds_are_counted_and_stand_between_pictures_and_text() -> None:
    template = get_template("megrez")
    messages = [user("What?", Audio("a.wav"), Image("a.png")), assistant("A bird."), user(Audio("b.wav"))]
    pieces = render(template, messages, add_generation_prompt=False)
    shown = "".join({"picture": "<P>", "sound": "<S>"}.get(piece.kind, piece.text) for piece in pieces)
    assert "<P>\nAudio 1: <|audio_start|><S><|audio_end|>\nWhat?<|turn_end|>" in shown
    assert "Audio 2: <|audio_start|><S><|audio_end|>\n<|turn_end|>" in shown
