import sys
from itertools import islice

import pytest

from engines.planning import TOKENIZER, program
from gesso.canvas.grammar import reply_grammar
from gesso.core.errors import MissingExtraError, UsageError
from gesso.engines.constrain import Guide, TokenGrammar
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import scenes

SIZE, END = len(TOKENIZER), TOKENIZER.eos_token_id


@pytest.fixture(scope="module")
def grammar() -> TokenGrammar:
    return TokenGrammar(reply_grammar(), TOKENIZER, vocabulary=SIZE + 3, ends={END})


def take_all(guide: Guide, tokens: list[int]) -> None:
    for token in tokens:
        guide.take(token)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_forced_tokens_are_those_of_the_whole_text(grammar: TokenGrammar, language: str) -> None:
    for scene in islice(scenes("train", 6), 3):
        ids = TOKENIZER.encode(canvas_program(scene, language), add_special_tokens=False)
        guide, place, forced = grammar.guide(), 0, 0
        while place < len(ids):
            run = guide.forced() or [ids[place]]
            assert ids[place : place + len(run)] == run
            forced += len(run) - 1
            assert guide.accepted(ids[place:]) == len(ids) - place
            assert guide.allowed()[ids[place]]
            take_all(guide, run)
            place += len(run)
        assert guide.done
        assert forced > len(ids) // 3


def test_the_end_comes_when_the_reply_is_whole_and_not_before(grammar: TokenGrammar) -> None:
    guide = grammar.guide()
    ids = TOKENIZER.encode(program("red fish"), add_special_tokens=False)
    for token in ids:
        assert not guide.done
        assert not guide.allowed()[END]
        guide.take(token)
    assert guide.done
    assert guide.forced() == []
    assert guide.accepted([END]) == 0


def test_logits_beyond_the_tokenizer_are_never_allowed(grammar: TokenGrammar) -> None:
    allowed = grammar.guide().allowed()
    assert len(allowed) == SIZE + 3
    assert not allowed[SIZE:].any()
    assert allowed.any()


def test_tokens_are_accepted_up_to_the_first_that_does_not_fit(grammar: TokenGrammar) -> None:
    ids = TOKENIZER.encode(program("red fish"), add_special_tokens=False)
    assert grammar.guide().accepted([*ids[:9], END, *ids[9:]]) == 9


def test_guides_of_one_grammar_do_not_know_each_other(grammar: TokenGrammar) -> None:
    one, other = grammar.guide(), grammar.guide()
    take_all(one, one.forced())
    assert other.forced() == grammar.guide().forced()


def test_a_token_that_is_not_allowed_is_refused(grammar: TokenGrammar) -> None:
    with pytest.raises(UsageError, match=f"token {END} is not allowed here"):
        grammar.guide().take(END)


def test_a_malformed_grammar_and_a_model_without_an_end_are_refused() -> None:
    with pytest.raises(UsageError, match="the grammar cannot be used"):
        TokenGrammar("start: nothing", TOKENIZER, vocabulary=SIZE, ends={END})
    with pytest.raises(UsageError, match="no token ends an answer"):
        TokenGrammar(reply_grammar(), TOKENIZER, vocabulary=SIZE, ends=())


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gesso\[plan\]'"):
        TokenGrammar(reply_grammar(), TOKENIZER, vocabulary=SIZE, ends={END})
