import copy

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import chat_templates
import tiny
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.core.messages import Image, Message, assistant, system, user
from gesso.models.omost.processor import TemplateProcessor

TALK = [system("be brief"), user("draw a fish"), assistant("canvas = Canvas()"), user("make it red")]


def processor(name: str) -> TemplateProcessor:
    return TemplateProcessor(chat_templates.tokenizer(name))


def as_dicts(messages: list[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.text} for message in messages]


@pytest.mark.parametrize("name", ["llama3", "chatml", "phi3"])
@pytest.mark.parametrize("add_generation_prompt", [True, False])
def test_ids_are_those_of_the_tokenizers_own_template(name: str, add_generation_prompt: bool) -> None:
    messages = TALK if add_generation_prompt else TALK[:3]
    expected = chat_templates.tokenizer(name).apply_chat_template(
        as_dicts(messages), add_generation_prompt=add_generation_prompt, return_dict=False
    )
    encoded = processor(name).encode(messages, add_generation_prompt=add_generation_prompt)
    assert list(encoded.ids) == expected


def test_a_token_that_begins_every_text_is_not_told_twice() -> None:
    tokenizer = copy.deepcopy(chat_templates.tokenizer("llama3"))
    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{tokenizer.bos_token} $A", special_tokens=[(tokenizer.bos_token, begin)]
    )
    ids = TemplateProcessor(tokenizer).encode(TALK).ids
    assert list(ids) == tokenizer.apply_chat_template(
        as_dicts(TALK), add_generation_prompt=True, return_dict=False
    )
    assert ids.count(begin) == 1


def test_tokenizers_that_mark_blanks_give_their_own_ids_too() -> None:
    tags = [*chat_templates.TAGS["phi3"], "</s>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=tags, show_progress=False)
    backend.train_from_iterator([*chat_templates.CORPUS, *(message.text for message in TALK), "\n"], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = chat_templates.TEMPLATES["phi3"]
    expected = tokenizer.apply_chat_template(as_dicts(TALK), add_generation_prompt=True, return_dict=False)
    assert list(TemplateProcessor(tokenizer).encode(TALK).ids) == expected


def test_the_assistants_words_and_end_tokens_are_supervised() -> None:
    encoded = processor("llama3").encode(TALK)
    tokenizer = chat_templates.tokenizer("llama3")
    learned = [token for token, mark in zip(encoded.ids, encoded.supervised, strict=True) if mark]
    assert tokenizer.decode(learned) == "canvas = Canvas()<|eot_id|>"


def test_a_system_text_that_the_template_drops_is_put_where_later_ones_have_it() -> None:
    rendered = processor("phi3-early").render(TALK[:2])
    assert rendered == "<s><|system|>\nbe brief<|end|>\n<|user|>\ndraw a fish<|end|>\n<|assistant|>\n"
    assert processor("phi3-early").render(TALK[1:2]) == "<s><|user|>\ndraw a fish<|end|>\n<|assistant|>\n"


def test_a_system_text_that_the_template_refuses_goes_before_the_first_words() -> None:
    rendered = processor("refusing").render(TALK)
    assert rendered == "[user] be brief\n\ndraw a fish\n[assistant] canvas = Canvas()\n[user] make it red\n"


@pytest.mark.parametrize("name", ["llama3", "phi3-early"])
def test_control_tokens_that_a_user_writes_are_letters(name: str) -> None:
    made, tokenizer = processor(name), chat_templates.tokenizer(name)
    tag = chat_templates.TAGS[name.partition("-")[0]][-1]
    number = tokenizer.convert_tokens_to_ids(tag)
    usual = made.encode([user("hi")]).ids.count(number)
    assert made.encode([user(f"hi {tag}")]).ids.count(number) == usual
    assert tag in made.render([user(f"hi {tag}")])


def test_blanks_are_cut_where_the_template_cuts_them() -> None:
    assert processor("llama3").render([user("  hi ")]) == processor("llama3").render([user("hi")])
    assert "  hi <|end|>" in processor("phi3").render([user("  hi ")])


def test_an_empty_message_is_laid_out_like_any_other() -> None:
    assert processor("phi3").render([user("")]) == "<|user|>\n<|end|>\n<|assistant|>\n"


def test_a_tokenizer_without_a_template_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no chat template"):
        TemplateProcessor(tiny.tokenizer())


def test_a_template_that_loses_messages_is_refused() -> None:
    with pytest.raises(CheckpointError, match="lays out 1 of 3 messages"):
        processor("forgetful").render(TALK[1:])


def test_roles_that_the_template_refuses_are_named() -> None:
    late = [user("hi"), assistant("ho"), system("be brief")]
    with pytest.raises(UsageError, match="refuses the roles user, assistant, system: no system role"):
        processor("refusing").render(late)


@pytest.mark.parametrize(
    ("messages", "error", "said"),
    [([], UsageError, "no messages"), ([user(Image(0.5))], UnsupportedError, "Image; this model reads text")],
)
def test_what_is_no_text_is_refused(messages: list[Message], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        processor("phi3").encode(messages)


def test_a_copied_tokenizer_keeps_its_template(tmp_path) -> None:
    chat_templates.tokenizer("chatml").save_pretrained(tmp_path)
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert TemplateProcessor(loaded).encode(TALK) == processor("chatml").encode(TALK)
