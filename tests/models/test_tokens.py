from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

import tiny
from gesso.core.errors import CheckpointError
from gesso.core.messages import Image, assistant, user
from gesso.models.base import IMAGE_INDEX
from gesso.models.rendering import Piece, render
from gesso.models.templates import TEMPLATES, get_template
from gesso.models.tokens import PromptTokenizer

FIXTURES = Path(__file__).parents[1] / "fixtures/llava/tokenizer"
KINDS = ("legacy", "nonlegacy", "bytes")
CAT = Image("cat.png")
TEXTS = st.one_of(
    st.text("aé \n<s/>:汉", max_size=12), st.sampled_from(["</s>", " a</s> b ", "<s>", "<image>"])
)
# an opening that ends with a newline can merge with one that begins the answer; captions answer nothing
PREFIXED = sorted(set(TEMPLATES) - {"mpt", "chatml_direct", "mistral_direct", "plain", "v0_plain"})


@cache
def _tokenizer(kind: str) -> PreTrainedTokenizerBase:
    if kind == "bytes":
        return tiny.tokenizer()
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(FIXTURES / f"tokenizer_{kind}")
    return tokenizer


@cache
def _tokens(kind: str) -> PromptTokenizer:
    return PromptTokenizer(_tokenizer(kind))


def _names(kind: str, ids: tuple[int, ...]) -> list[str]:
    table = _tokenizer(kind)
    return ["<image>" if i == IMAGE_INDEX else str(table.convert_ids_to_tokens(i)) for i in ids]


def test_each_run_of_text_begins_anew_and_bos_is_kept_once() -> None:
    assert _names("legacy", _tokens("legacy").prompt("<image>\na<image>b")) == [
        "<s>", "<image>", "▁", "<0x0A>", "a", "<image>", "▁b",
    ]  # fmt: skip
    assert _names("bytes", _tokens("bytes").prompt("a<image>a")) == ["a", "<image>", "a"]


def test_a_blank_at_the_beginning_of_a_run_is_kept() -> None:
    assert _names("nonlegacy", _tokens("nonlegacy").prompt("a<image> b")) == [
        "<s>",
        "▁a",
        "<image>",
        "▁",
        "▁b",
    ]
    # the legacy kind begins anew behind each control token
    assert _names("legacy", _tokens("legacy").prompt("</s> b</s> b")) == [
        "<s>", "</s>", "▁", "▁b", "</s>", "▁", "▁b",
    ]  # fmt: skip
    assert _names("nonlegacy", _tokens("nonlegacy").prompt("</s> b")) == ["<s>", "</s>", "▁b"]


@pytest.mark.parametrize("kind", KINDS)
def test_control_tokens_count_in_markup_only(kind: str) -> None:
    end = _tokenizer(kind).eos_token_id
    for text in ("</s>", "a</s>b", "<s></s>", "</", "s>"):
        pieces = [Piece("markup", "a</s>"), Piece("words", text), Piece("markup", "</s>b")]
        ids, _ = _tokens(kind).pieces(pieces)
        assert ids.count(end) == 2
        written = str(_tokenizer(kind).decode(ids)).replace(" ", "")
        assert written.endswith(f"a</s>{text}</s>b")


@pytest.mark.parametrize("kind", KINDS)
def test_the_tag_of_a_picture_is_text_when_somebody_writes_it(kind: str) -> None:
    ids, _ = _tokens(kind).pieces([Piece("words", "<image>")])
    assert IMAGE_INDEX not in ids
    assert str(_tokenizer(kind).decode(ids)).endswith("<image>")


@pytest.mark.parametrize("kind", KINDS)
@given(question=TEXTS, answer=TEXTS)
@settings(max_examples=60, deadline=None)
def test_supervised_tokens_spell_the_answers(kind: str, question: str, answer: str) -> None:
    messages = [user(CAT, question), assistant(answer), user(question), assistant(answer)]
    pieces = render(get_template("storybook"), messages, add_generation_prompt=False)
    ids, supervised = _tokens(kind).pieces(pieces)
    spelled = _tokenizer(kind).decode([i for i, marked in zip(ids, supervised, strict=True) if marked])
    assert str(spelled).replace(" ", "") == f"{answer}</s>{answer}</s>".replace(" ", "")


@pytest.mark.parametrize("kind", KINDS)
@given(template=st.sampled_from(PREFIXED), question=TEXTS, answer=TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_prompt_begins_what_is_trained(kind: str, template: str, question: str, answer: str) -> None:
    messages = [user(CAT, question), assistant(answer), user(question), assistant(answer)]
    trained, supervised = _tokens(kind).pieces(
        render(get_template(template), messages, add_generation_prompt=False)
    )
    for turns in (1, 3):
        prompt, _ = _tokens(kind).pieces(
            render(get_template(template), messages[:turns], add_generation_prompt=True)
        )
        assert trained[: len(prompt)] == prompt
        assert supervised[len(prompt) - 1 : len(prompt) + 1] == (False, True)


def test_settings_left_on_the_tokenizer_have_no_effect() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokenizer_legacy")
    tokenizer("a long text", truncation=True, max_length=2)
    assert PromptTokenizer(tokenizer).prompt("a long text") == _tokens("legacy").prompt("a long text")
    assert len(_tokens("legacy").prompt("a long text")) > 2


def test_a_tokenizer_without_text_positions_is_refused() -> None:
    with pytest.raises(CheckpointError, match="str gives no text positions"):
        PromptTokenizer("not a tokenizer")  # type: ignore[arg-type]
