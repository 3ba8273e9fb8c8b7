from collections.abc import Sequence
from itertools import islice

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig

import tiny
from gesso.core.results import Answer
from gesso.core.sampling import Sampling
from gesso.engines.detokenize import TextStream, backend_of
from gesso.engines.generate import Row, end_tokens, generate, stream
from gesso.engines.kv import new_cache

LENGTHS = (7, 3, 12, 5, 9)


@pytest.fixture(scope="module")
def model() -> tiny.TinyChat:
    return tiny.TinyChat()


def _alone(model: tiny.TinyChat, prompts: Sequence[Tensor], samplings: Sequence[Sampling]) -> list[Answer]:
    pairs = zip(prompts, samplings, strict=True)
    return [generate(model, tiny.tokenizer(), [prompt], [sampling])[0] for prompt, sampling in pairs]


def test_greedy_tokens_are_those_of_transformers_generate(model: tiny.TinyChat) -> None:
    for prompt in tiny.prompts(*LENGTHS):
        settings = GenerationConfig(max_new_tokens=20, do_sample=False, eos_token_id=1, pad_token_id=2)
        mask = torch.ones(1, len(prompt), dtype=torch.long)
        tokens = model.language_model.generate(
            inputs_embeds=prompt[None], attention_mask=mask, generation_config=settings
        )
        answer = generate(model, tiny.tokenizer(), [prompt], [Sampling(max_new_tokens=20)])[0]
        expected = tiny.tokenizer().decode(tokens[0], skip_special_tokens=True)
        assert answer.text == expected.lstrip().rstrip("\ufffd")
        assert answer.usage.completion_tokens == tokens.shape[1]


def test_a_batch_says_what_its_rows_say_alone(model: tiny.TinyChat) -> None:
    prompts = tiny.prompts(*LENGTHS)
    samplings = [
        Sampling(max_new_tokens=12),
        Sampling(max_new_tokens=20, temperature=0.9, seed=1),
        Sampling(max_new_tokens=5, repetition_penalty=1.3),
        Sampling(max_new_tokens=16, temperature=1.5, top_k=20, top_p=0.9, seed=2),
        Sampling(max_new_tokens=1),
    ]
    together = generate(model, tiny.tokenizer(), prompts, samplings)
    assert together == _alone(model, prompts, samplings)
    assert len({answer.text for answer in together}) == len(prompts)


def test_more_prompts_than_a_batch_holds_are_done_in_turn(model: tiny.TinyChat) -> None:
    prompts, samplings = tiny.prompts(*LENGTHS), [Sampling(max_new_tokens=6)] * len(LENGTHS)
    small = generate(model, tiny.tokenizer(), prompts, samplings, max_batch=2)
    assert small == generate(model, tiny.tokenizer(), prompts, samplings)


def test_pieces_join_to_the_answer(model: tiny.TinyChat) -> None:
    pieces = list(
        stream(model, tiny.tokenizer(), tiny.prompts(*LENGTHS), [Sampling(max_new_tokens=15)] * len(LENGTHS))
    )
    for row in range(len(LENGTHS)):
        own = [piece for piece in pieces if piece.row == row]
        assert own[-1].answer is not None
        assert own[-1].answer.text == "".join(piece.text for piece in own)
        assert all(piece.answer is None for piece in own[:-1])
        assert len(own) > 1


def test_a_stop_text_ends_the_row_and_is_not_said(model: tiny.TinyChat) -> None:
    prompts = tiny.prompts(*LENGTHS)
    plain = generate(model, tiny.tokenizer(), prompts, [Sampling(max_new_tokens=20)] * len(LENGTHS))
    for answer, prompt in zip(plain, prompts, strict=True):
        stop = answer.text[4:9]  # straddles token pieces
        stopped = generate(
            model, tiny.tokenizer(), [prompt], [Sampling(max_new_tokens=20, stop=("never", stop))]
        )[0]
        assert stopped.text == answer.text.partition(stop)[0]
        assert stopped.finish_reason == "stop"
        assert stopped.usage.completion_tokens <= answer.usage.completion_tokens


def test_blanks_before_the_first_word_are_not_part_of_the_answer(model: tiny.TinyChat) -> None:
    blank, word = tiny.tokenizer().encode(" ")[0], tiny.tokenizer().encode(" fish")
    row = Row(0, 3, Sampling(), frozenset({1}), TextStream(backend_of(tiny.tokenizer()), ()))
    pieces = [row.take(token) for token in (blank, blank, *word, blank, *word, 1)]
    assert "".join(piece.text for piece in pieces) == "fish  fish"
    assert pieces[-1].answer is not None
    assert pieces[-1].answer.text == "fish  fish"


def test_an_end_token_ends_the_row(model: tiny.TinyChat) -> None:
    prompts = tiny.prompts(*range(3, 23))
    answers = generate(model, tiny.tokenizer(), prompts, [Sampling(max_new_tokens=60)] * len(prompts))
    assert {answer.finish_reason for answer in answers} == {"stop", "length"}
    for answer in answers:
        assert (answer.finish_reason == "length") == (answer.usage.completion_tokens == 60)


def test_usage_counts_prompt_positions_and_new_tokens(model: tiny.TinyChat) -> None:
    answer = generate(model, tiny.tokenizer(), tiny.prompts(7), [Sampling(max_new_tokens=4)])[0]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 4)
    assert answer.finish_reason == "length"


def test_a_cancelled_row_ends_and_the_others_go_on(model: tiny.TinyChat) -> None:
    prompts, samplings = tiny.prompts(6, 6), [Sampling(max_new_tokens=10)] * 2
    heard = [0, 0]
    answers = {}

    def cancelled(row: int) -> bool:
        heard[row] += 1
        return row == 1 and heard[1] > 3

    for piece in stream(model, tiny.tokenizer(), prompts, samplings, cancelled=cancelled):
        if piece.answer:
            answers[piece.row] = piece.answer
    assert answers[1].finish_reason == "cancelled"
    assert answers[1].usage.completion_tokens == 3
    assert answers[0] == _alone(model, prompts[:1], samplings[:1])[0]


def test_inference_mode_does_not_leak_between_pieces(model: tiny.TinyChat) -> None:
    pieces = stream(model, tiny.tokenizer(), tiny.prompts(5), [Sampling(max_new_tokens=8)])
    next(pieces)
    assert not torch.is_inference_mode_enabled()
    pieces.close()


def test_a_cache_stands_for_what_lies_before_the_prompt(model: tiny.TinyChat) -> None:
    prompt, sampling = tiny.prompts(12)[0], Sampling(max_new_tokens=10)
    cache = new_cache(model.language_model.config)
    list(stream(model, tiny.tokenizer(), [prompt[:8]], [Sampling(max_new_tokens=1)], cache=cache))
    assert cache.get_seq_length() == 8
    pieces = stream(model, tiny.tokenizer(), [prompt[8:]], [sampling], cache=cache)
    text = "".join(piece.text for piece in pieces)
    assert text == generate(model, tiny.tokenizer(), [prompt], [sampling])[0].text


@pytest.mark.parametrize("stop", [(), ("e",)])
def test_beam_search_is_that_of_transformers(model: tiny.TinyChat, stop: tuple[str, ...]) -> None:
    prompt = tiny.prompts(9)[0]
    settings = GenerationConfig(
        max_new_tokens=8, num_beams=3, do_sample=False, eos_token_id=1, pad_token_id=2
    )
    tokens = model.language_model.generate(
        inputs_embeds=prompt[None],
        attention_mask=torch.ones(1, 9, dtype=torch.long),
        generation_config=settings,
    )
    expected = tiny.tokenizer().decode(tokens[0], skip_special_tokens=True)
    sampling = Sampling(max_new_tokens=8, num_beams=3, stop=stop)
    greedy, beam = generate(model, tiny.tokenizer(), [prompt] * 2, [Sampling(max_new_tokens=8), sampling])
    assert beam.text == (expected.partition("e")[0] if stop else expected).lstrip().rstrip("\ufffd")
    assert beam.text != greedy.text


def test_end_tokens_come_from_tokenizer_and_checkpoint() -> None:
    language_model = tiny.llama()
    language_model.generation_config.eos_token_id = [7, 9]
    assert end_tokens(language_model, tiny.tokenizer()) == {1, 7, 9}


def test_unequal_numbers_of_prompts_and_settings_are_refused(model: tiny.TinyChat) -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(islice(stream(model, tiny.tokenizer(), tiny.prompts(3, 4), [Sampling()]), 1))
