from collections.abc import Sequence
from typing import Any

import pytest
from jinja2.exceptions import TemplateError

import tiny
from gesso.core.errors import UnknownNameError
from gesso.core.messages import Image, Message, assistant, system, user
from gesso.models.rendering import render
from gesso.models.templates import TEMPLATES, get_template, storybook_jinja, template_name_for

CAT, DOG = Image("cat.png"), Image("dog.png")


def _storybook(messages: Sequence[Message], prompt: bool) -> str:
    pieces = render(get_template("storybook"), messages, add_generation_prompt=prompt)
    return "".join("<image>" if piece.kind == "picture" else piece.text for piece in pieces)


def test_every_template_renders_a_question_and_its_answer() -> None:
    for name, template in TEMPLATES.items():
        messages = [user(CAT, "What?"), assistant("A cat.")]
        text = "".join(piece.text for piece in render(template, messages, add_generation_prompt=False))
        assert ("What?" in text) != template.captions, name
        assert text.endswith(f"A cat.{template.around_answer[1] or '</s>'}"), name


def test_names_of_one_template_share_it() -> None:
    for alias, name in (("default", "v0"), ("v1", "vicuna_v1"), ("v0_plain", "plain"),
                        ("mistral_direct", "chatml_direct")):  # fmt: skip
        assert get_template(alias) is get_template(name)
        assert get_template(alias).name in (alias, name)


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown template 'vicuna_v2'.*vicuna_v1"):
        get_template("vicuna_v2")


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("v0", "###"),
        ("v1", "</s>"),
        ("llama_2", "</s>"),
        ("mpt", "<|im_end|>"),
        ("llama_3", "<|eot_id|>"),
        ("gemma", "<end_of_turn>\n<eos>"),
        ("plain", "\n"),
        ("storybook", None),
    ],
)
def test_stop_texts(name: str, stop: str | None) -> None:
    assert get_template(name).stop == stop


@pytest.mark.parametrize(
    ("checkpoint", "template"),
    [
        ("liuhaotian/llava-v1.5-7b", "llava_v1"),
        ("runs/llava-v1.5-7b-lora/checkpoint-500/", "llava_v1"),
        ("checkpoint-500", "llava_v0"),
        ("x/llava-v1.6-mistral-7b", "mistral_instruct"),
        ("llava-v1.6-34b", "chatml_direct"),
        ("LLaVA-Lightning-MPT-7B-preview", "mpt"),
        ("llava-llama-2-13b-chat", "llava_llama_2"),
        ("LLaVA-7b-delta-v0", "llava_v0"),
    ],
)
def test_template_of_a_checkpoint(checkpoint: str, template: str) -> None:
    assert template_name_for(checkpoint) == template
    assert template in TEMPLATES


def test_storybook_text() -> None:
    messages = [user(CAT, "What is it?"), assistant("A cat."), user("Sure?")]
    expected = "USER: <image>\nWhat is it? ASSISTANT: A cat.</s>USER: Sure? ASSISTANT:"
    assert _storybook(messages, True) == expected


@pytest.mark.parametrize(
    "messages",
    [
        [user("What is it?")],
        [user(CAT, "What is it?"), assistant("A cat.")],
        [user("And ", DOG, "this", CAT), assistant(" A dog. "), user(CAT)],
        [user(CAT, DOG), assistant("Two."), user("Sure?"), assistant("")],
    ],
)
def test_the_chat_template_writes_the_same(messages: list[Message]) -> None:
    prompt = messages[-1].role == "user"
    written: Any = tiny.tokenizer().apply_chat_template(
        [message.to_openai() for message in messages],
        chat_template=storybook_jinja(),
        tokenize=False,
        add_generation_prompt=prompt,
    )
    assert written == _storybook(messages, prompt)


def test_the_chat_template_takes_the_names_of_transformers_and_refuses_a_system_message() -> None:
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    written: Any = tiny.tokenizer().apply_chat_template(
        [{"role": "user", "content": content}], chat_template=storybook_jinja(), tokenize=False
    )
    assert written == "USER: <image>\nWhat?"
    with pytest.raises(TemplateError, match="no place for a message of the system"):
        tiny.tokenizer().apply_chat_template(
            [system("Be brief.").to_openai()], chat_template=storybook_jinja(), tokenize=False
        )
