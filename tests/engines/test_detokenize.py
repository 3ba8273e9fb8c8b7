import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerBase

import tiny
from gesso.core.errors import UnsupportedError
from gesso.engines.detokenize import StopFilter, TextStream, backend_of

LETTERS = st.text("ab\n#", max_size=12)


def _through(pieces: list[str], stop: list[str]) -> tuple[str, bool]:
    sieve = StopFilter(stop)
    text = ""
    for piece in pieces:
        text += sieve.push(piece)
        if sieve.stopped:
            return text, True
    return text + sieve.flush(), False


@settings(deadline=None)
@given(st.lists(LETTERS, max_size=6), st.lists(st.text("ab\n#", min_size=1, max_size=4), max_size=3))
def test_outcome_does_not_depend_on_how_the_text_is_cut(pieces: list[str], stop: list[str]) -> None:
    whole = "".join(pieces)
    assert _through(pieces, stop) == _through(list(whole), stop) == _through([whole], stop)


@settings(deadline=None)
@given(st.lists(LETTERS, max_size=6), st.text("ab#", min_size=1, max_size=4))
def test_one_stop_text_cuts_at_its_first_place(pieces: list[str], stop: str) -> None:
    before, found, _ = "".join(pieces).partition(stop)
    assert _through(pieces, [stop]) == (before, bool(found))


def test_text_is_passed_on_as_soon_as_it_cannot_belong_to_a_stop_text() -> None:
    sieve = StopFilter(["###"])
    assert [sieve.push(piece) for piece in ("ab#", "#", "c#", "##")] == ["ab", "", "##c", ""]
    assert sieve.stopped


def test_chinese_and_emoji_come_out_whole() -> None:
    text = "你好，红色的鱼 🐟 é"
    backend = backend_of(tiny.tokenizer())
    stream = TextStream(backend, ())
    pieces = [stream.push(token) for token in backend.encode(text).ids]
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_special_tokens_are_left_out() -> None:
    backend = backend_of(tiny.tokenizer())
    stream = TextStream(backend, ())
    tokens = [*backend.encode("fish").ids, 1, *backend.encode("sea").ids]
    assert "".join(stream.push(token) for token in tokens) == "fishsea"


def _sentencepiece_like() -> Tokenizer:
    """Word pieces with bytes to fall back on, as LLaMA's tokenizer has them."""
    vocabulary = {"<unk>": 0, **{f"<0x{byte:02X}>": 1 + byte for byte in range(256)}}
    for piece in ("▁the", "▁red", "▁fish", "s", "▁", "ing"):
        vocabulary[piece] = len(vocabulary)
    backend = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return backend


def _streamed(backend: Tokenizer, tokens: list[int]) -> str:
    stream = TextStream(backend, ())
    return "".join(stream.push(token) for token in tokens) + stream.flush()


@settings(deadline=None)
@given(st.lists(st.integers(0, 319), max_size=30))
def test_any_tokens_give_what_decoding_them_at_once_gives(tokens: list[int]) -> None:
    backend = backend_of(tiny.tokenizer())
    assert _streamed(backend, tokens) == backend.decode(tokens).rstrip("\ufffd")


@settings(deadline=None)
@given(st.text("the redfishing 你🐟"))
def test_texts_survive_a_tokenizer_that_falls_back_on_bytes(text: str) -> None:
    backend = _sentencepiece_like()
    tokens = [backend.token_to_id(f"<0x{byte:02X}>") for byte in text.encode()]
    tokens = [backend.token_to_id("▁the"), *tokens, backend.token_to_id("▁fish"), backend.token_to_id("s")]
    assert _streamed(backend, tokens) == f"the{text} fishs" == backend.decode(tokens)


@settings(deadline=None)
@given(st.lists(st.integers(0, 262), max_size=30))
def test_bytes_that_are_no_character_do_no_harm(tokens: list[int]) -> None:
    backend = _sentencepiece_like()
    assert _streamed(backend, [*tokens, backend.token_to_id("▁fish")]).endswith("fish")


def test_a_stop_text_may_lie_in_what_is_flushed() -> None:
    backend = backend_of(tiny.tokenizer())
    stream = TextStream(backend, ("fi",))
    said = [stream.push(token) for token in backend.encode("the f").ids]
    assert "".join(said) == "the "
    assert stream.flush() == "f"


def test_a_tokenizer_without_backend_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="PreTrainedTokenizerBase is not backed"):
        backend_of(PreTrainedTokenizerBase())
