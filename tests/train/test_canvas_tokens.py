import copy

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import tiny
from gesso.canvas.parse import read_canvas
from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import scene_at
from gesso.train.canvas_tokens import add_canvas_tokens, canvas_stretches, canvas_tokens

Pair = tuple[LlamaForCausalLM, PreTrainedTokenizerFast]


@pytest.fixture
def extended() -> Pair:
    model, tokenizer = tiny.llama(), copy.deepcopy(tiny.tokenizer())
    add_canvas_tokens(model, tokenizer)
    return model, tokenizer


def ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("number", range(4))
def test_programs_are_shorter_and_read_the_same(extended: Pair, language: str, number: int) -> None:
    program = canvas_program(scene_at("train", 2, number), language)
    short, long = ids(extended[1], program), ids(tiny.tokenizer(), program)
    assert extended[1].decode(short) == program
    assert len(short) < len(long)
    fixed = [token for token in short if token >= len(tiny.tokenizer())]
    regions = len(read_canvas(program).canvas.regions)
    # opening, three of the background, ending; of each region eight stretches and three names
    assert len(fixed) == 5 + 11 * regions


def test_names_are_one_token_wherever_they_stand(extended: Pair) -> None:
    for name in (*LOCATIONS, *OFFSETS, *AREAS):
        assert extended[1].convert_tokens_to_ids(name) in ids(extended[1], f"'{name}', a cat"), name
    for name in LOCATIONS:  # with its blank, so that nothing parts it from the thing before
        assert extended[1].convert_tokens_to_ids(f" {name}") in ids(extended[1], f"cat {name}"), name


def test_stretches_occur_in_programs_alone(extended: Pair) -> None:
    texts = (
        "a red fish at the left, 'striped'",
        "canvas.add_local_description",
        "tags='fish'",
        "```python\n",
    )
    assert all(ids(extended[1], text) == ids(tiny.tokenizer(), text) for text in texts)


def test_there_are_as_many_as_gaps_between_values() -> None:
    stretches = canvas_stretches()
    assert len(stretches) == len(set(stretches)) == 11
    program = canvas_program(scene_at("train", 2, 0, counts=[2]))
    assert all(stretch in program for stretch in stretches)
    left = program
    for stretch in sorted(stretches, key=len, reverse=True):
        left = left.replace(stretch, "|")
    assert "=" not in left


def test_new_tokens_begin_as_the_mean_of_what_they_replace(extended: Pair) -> None:
    model, tokenizer = extended
    old = tiny.llama().get_input_embeddings().weight
    table = model.get_input_embeddings().weight
    assert table.shape[0] == model.config.vocab_size == len(tokenizer) == len(old) + len(canvas_tokens())
    assert torch.equal(table[: len(old)], old)
    stretch = canvas_stretches()[0]
    replaced = old[ids(tiny.tokenizer(), stretch)].mean(0)
    assert torch.allclose(table[tokenizer.convert_tokens_to_ids(stretch)], replaced, atol=1e-6)
    assert torch.isfinite(model.get_output_embeddings().weight).all()


def test_shared_embeddings_stay_shared() -> None:
    config = LlamaConfig(**{**tiny.llama_config().to_dict(), "tie_word_embeddings": True})
    model, tokenizer = LlamaForCausalLM(config), copy.deepcopy(tiny.tokenizer())
    add_canvas_tokens(model, tokenizer)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_doing_it_twice_changes_nothing(extended: Pair) -> None:
    model, tokenizer = extended
    before = model.get_input_embeddings().weight.clone()
    add_canvas_tokens(model, tokenizer)
    assert torch.equal(model.get_input_embeddings().weight, before)
    assert len(tokenizer) == len(before)
