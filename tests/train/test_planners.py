from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

import tiny
from gesso.core.errors import ConfigError, UnsupportedError
from gesso.core.messages import Message, assistant, system, user
from gesso.models.omost.prompts import SYSTEM_PROMPT
from gesso.models.templates import storybook_jinja
from gesso.train.canvas_tokens import canvas_tokens
from gesso.train.planners import ConversationEncoder, load_planner, planner_folder
from train.conftest import MakeRecipe

TURNS = [user("a cat"), assistant("meow"), user("make it red"), assistant("red meow")]
LONG = 10_000
JINJA = (
    "{{ bos_token }}{% for message in messages %}[{{ message.role }}]{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def with_template(text: str | None) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer().backend_tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    )
    tokenizer.chat_template = text
    return tokenizer


def read(encoder: ConversationEncoder, messages: list[Message]) -> str:
    return str(tiny.tokenizer().decode(encoder.prompt(messages).ids))


@pytest.mark.parametrize("template", [None, storybook_jinja()])
def test_a_model_without_a_chat_template_gets_the_storybook_s(template: str | None) -> None:
    encoder = ConversationEncoder(with_template(template), None, LONG)
    assert read(encoder, TURNS[:1]) == "USER: a cat ASSISTANT:"
    with pytest.raises(UnsupportedError, match="no place for a system message"):
        encoder.prompt([system("be brief"), *TURNS[:1]])


def test_a_chat_template_is_kept_behind_omosts_system_prompt() -> None:
    encoder = ConversationEncoder(with_template(JINJA), None, LONG)
    assert read(encoder, TURNS[:1]) == f"<s>[system]{SYSTEM_PROMPT}</s>[user]a cat</s>[assistant]"
    assert (
        read(encoder, [system("be brief"), *TURNS[:1]]) == "<s>[system]be brief</s>[user]a cat</s>[assistant]"
    )


def test_a_named_template_wins() -> None:
    encoder = ConversationEncoder(with_template(JINJA), "storybook", LONG)
    assert read(encoder, TURNS[:1]) == "USER: a cat ASSISTANT:"


def test_all_answers_are_learned_with_their_end_tokens() -> None:
    encoded = ConversationEncoder(with_template(None), None, LONG).whole(TURNS)
    learned = [token for token, learns in zip(encoded.ids, encoded.supervised, strict=True) if learns]
    assert tiny.tokenizer().decode(learned) == " meow</s> red meow</s>"


def test_turns_that_do_not_fit_are_left_out_and_a_single_one_is_cut() -> None:
    whole, first = (ConversationEncoder(with_template(None), None, LONG).whole(t) for t in (TURNS, TURNS[:2]))
    assert ConversationEncoder(with_template(None), None, len(whole.ids)).whole(TURNS) == whole
    assert ConversationEncoder(with_template(None), None, len(whole.ids) - 1).whole(TURNS) == first
    cut = ConversationEncoder(with_template(None), None, 6).whole(TURNS)
    assert cut.ids == first.ids[:6]
    assert len(cut.supervised) == 6
    assert ConversationEncoder(with_template(None), None, 6).uncut(TURNS) == whole


def test_the_model_is_loaded_in_float32_with_its_tokens(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    tiny.llama().half().save_pretrained(tmp_path / "m")
    tiny.tokenizer().save_pretrained(tmp_path / "m")
    settings = (f"model.init={tmp_path.as_posix()}/m", "model.canvas_tokens=true", "run.checkpointing=true")
    model, tokenizer = load_planner(make_recipe("planning", *settings))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert len(tokenizer) == model.config.vocab_size == len(tiny.tokenizer()) + len(canvas_tokens())
    assert model.is_activation_checkpointing
    assert model.config._attn_implementation == "eager"


def test_a_mini_may_be_named(make_recipe: MakeRecipe) -> None:
    assert planner_folder(make_recipe("planning", "model.init=mini-lm")).name == "mini-lm"


@pytest.mark.parametrize(
    ("override", "message"),
    [("model.init=nowhere/final", "neither a folder nor a model"), ("model.init=null", "needs model.init")],
)
def test_the_start_must_be_there(make_recipe: MakeRecipe, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_planner(make_recipe("planning", override))
