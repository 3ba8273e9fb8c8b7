from collections.abc import Sequence
from random import Random

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

import tiny
from engines.planning import TOKENIZER, ScriptedLlama, ScriptedModel, program
from gesso.canvas.grammar import ReplyShape, reply_grammar
from gesso.canvas.parse import read_canvas
from gesso.core.errors import UsageError
from gesso.core.results import Answer
from gesso.core.sampling import Sampling
from gesso.engines.constrain import TokenGrammar
from gesso.engines.draft import ReplyDraft
from gesso.engines.generate import generate, stream
from gesso.engines.kv import new_cache
from gesso.engines.plan_decode import Tally, guided

SETTINGS = {
    "greedy": Sampling(max_new_tokens=40),
    "sampled": Sampling(max_new_tokens=40, temperature=0.9, top_p=0.95, seed=3),
    "penalised": Sampling(max_new_tokens=40, repetition_penalty=1.2),
    "stopped": Sampling(max_new_tokens=40, stop=("e",)),
}
SMALL = ReplyShape(max_regions=2, max_details=1, max_text=5)


@pytest.fixture(scope="module")
def model() -> tiny.TinyChat:
    return tiny.TinyChat(positions=4096)


@pytest.fixture(scope="module")
def grammar() -> TokenGrammar:
    return TokenGrammar(reply_grammar(SMALL), tiny.tokenizer(), vocabulary=len(tiny.tokenizer()), ends={1})


def decode(model, prompt: torch.Tensor, sampling: Sampling, **how) -> tuple[Answer, Tally]:
    tally = Tally()
    pieces = list(
        guided(model, how.pop("tokenizer", tiny.tokenizer()), [prompt], [sampling], tally=tally, **how)
    )
    answer = pieces[-1].answer
    assert answer is not None
    assert "".join(piece.text for piece in pieces) == answer.text
    assert answer.usage.completion_tokens == tally.tokens
    return answer, tally


def tokens_of(model: tiny.TinyChat, prompt: torch.Tensor, count: int) -> list[int]:
    """The first greedy tokens after a prompt, by transformers."""
    mask = torch.ones(1, len(prompt), dtype=torch.long)
    rows = model.language_model.generate(
        inputs_embeds=prompt[None],
        attention_mask=mask,
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
    )
    return rows[0].tolist()


@pytest.mark.parametrize("name", SETTINGS)
def test_without_help_it_is_the_plain_way(model: tiny.TinyChat, name: str) -> None:
    for prompt in tiny.prompts(5, 9):
        expected = generate(model, tiny.tokenizer(), [prompt], [SETTINGS[name]])[0]
        answer, tally = decode(model, prompt, SETTINGS[name])
        assert answer == expected
        assert tally.passes == tally.tokens
        assert tally.forced == tally.drafted == tally.accepted == 0


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("spoilt", [0.0, 0.2, 1.0])
def test_drafts_change_nothing_but_the_passes(model: tiny.TinyChat, name: str, spoilt: float) -> None:
    rng = Random(5)
    for prompt in tiny.prompts(6, 11):
        draft = [rng.randrange(3, 300) if rng.random() < spoilt else t for t in tokens_of(model, prompt, 40)]
        expected = generate(model, tiny.tokenizer(), [prompt], [SETTINGS[name]])[0]
        answer, tally = decode(model, prompt, SETTINGS[name], draft=ReplyDraft(draft))
        assert answer == expected
        assert tally.accepted <= tally.drafted
        assert tally.passes + tally.accepted >= tally.tokens
        if name == "greedy" and spoilt == 0:
            assert tally.passes <= 5


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_any_model_writes_a_canvas_under_the_grammar(
    model: tiny.TinyChat, grammar: TokenGrammar, temperature: float
) -> None:
    sampling = Sampling(max_new_tokens=4000, temperature=temperature, seed=2)
    for prompt in tiny.prompts(4, 8):
        answer, tally = decode(model, prompt, sampling, guide=grammar.guide())
        reading = read_canvas(answer.text, published=True)
        assert reading.corrections == ()
        assert answer.finish_reason == "stop"
        assert tally.passes + tally.forced == tally.tokens
        assert tally.forced > 0


def test_drafts_change_nothing_under_the_grammar_either(model: tiny.TinyChat, grammar: TokenGrammar) -> None:
    for temperature in (0.0, 1.0):
        sampling = Sampling(max_new_tokens=4000, temperature=temperature, seed=2)
        prompt = tiny.prompts(6)[0]
        plain, alone = decode(model, prompt, sampling, guide=grammar.guide())
        draft = tiny.tokenizer().encode(plain.text)
        answer, tally = decode(model, prompt, sampling, guide=grammar.guide(), draft=ReplyDraft(draft))
        assert answer == plain
        assert tally.passes < alone.passes
        assert tally.accepted > 0


class TestTrainedPlanner:
    """A model that knows its reply: what a trained planner takes."""

    def run(self, reply: str, previous: Sequence[int], *, guide: bool) -> tuple[Answer, Tally]:
        model = ScriptedLlama(TOKENIZER)
        prompt = TOKENIZER.encode("hello")
        model.learn(prompt, reply, TOKENIZER)
        embedded = model.get_input_embeddings()(torch.tensor(prompt))
        grammar = TokenGrammar(
            reply_grammar(), TOKENIZER, vocabulary=len(TOKENIZER), ends={TOKENIZER.eos_token_id}
        )
        return decode(
            ScriptedModel(model),
            embedded,
            Sampling(max_new_tokens=2000),
            tokenizer=TOKENIZER,
            guide=grammar.guide() if guide else None,
            draft=ReplyDraft(previous),
        )

    @pytest.mark.parametrize("guide", [True, False])
    def test_an_edit_takes_less_than_a_third_of_the_plain_passes(self, guide: bool) -> None:
        before = TOKENIZER.encode(program("red fish", "blue boat", "pink cat"), add_special_tokens=False)
        reply = program("red fish", "green boat", "pink cat")
        answer, tally = self.run(reply, before, guide=guide)
        assert answer.text == reply
        assert tally.passes * 10 <= tally.tokens

    def test_a_first_plan_takes_fewer_passes_by_what_is_forced_and_repeated(self) -> None:
        reply = program("red fish", "blue boat", "pink cat")
        answer, tally = self.run(reply, [], guide=True)
        assert answer.text == reply
        assert tally.passes * 2 <= tally.tokens


def test_forced_tokens_count_against_the_limit(model: tiny.TinyChat, grammar: TokenGrammar) -> None:
    answer, tally = decode(model, tiny.prompts(4)[0], Sampling(max_new_tokens=5), guide=grammar.guide())
    assert answer.finish_reason == "length"
    assert (tally.tokens, tally.passes) == (5, 0)
    assert "```python\ncanvas = Canvas()".startswith(answer.text)


def test_it_can_be_cancelled_between_tokens(model: tiny.TinyChat, grammar: TokenGrammar) -> None:
    asked = []

    def cancelled(row: int) -> bool:
        asked.append(row)
        return len(asked) > 100

    answer, tally = decode(
        model, tiny.prompts(4)[0], Sampling(max_new_tokens=4000), guide=grammar.guide(), cancelled=cancelled
    )
    assert answer.finish_reason == "cancelled"
    assert tally.tokens == 100
    assert set(asked) == {0}


def test_a_cache_stands_for_what_lies_before_the_prompt(model: tiny.TinyChat) -> None:
    prompt, sampling = tiny.prompts(12)[0], Sampling(max_new_tokens=10)
    cache = new_cache(model.language_model.config)
    list(stream(model, tiny.tokenizer(), [prompt[:8]], [Sampling(max_new_tokens=1)], cache=cache))
    answer, _ = decode(model, prompt[8:], sampling, cache=cache, draft=ReplyDraft([5, 6, 7]))
    assert answer == generate(model, tiny.tokenizer(), [prompt], [sampling])[0]


def test_models_that_cannot_forget_are_not_drafted_for() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MistralConfig(
        **sizes,
        num_key_value_heads=2,
        vocab_size=320,
        sliding_window=8,
        initializer_range=0.4,
        eos_token_id=1,
    )
    windowed = ScriptedModel(MistralForCausalLM(config).eval())
    prompt, sampling = tiny.prompts(12)[0], Sampling(max_new_tokens=12)
    answer, tally = decode(windowed, prompt, sampling, draft=ReplyDraft([5, 6, 7]))
    assert answer == generate(windowed, tiny.tokenizer(), [prompt], [sampling])[0]
    assert tally.drafted == 0


@pytest.mark.parametrize(("count", "beams"), [(2, 1), (0, 1), (1, 2)])
def test_several_prompts_and_beams_are_refused(model: tiny.TinyChat, count: int, beams: int) -> None:
    settings = [Sampling(num_beams=beams)] * count
    with pytest.raises(UsageError, match=f"{count} prompts with"):
        list(guided(model, tiny.tokenizer(), tiny.prompts(*[3] * count), settings))
