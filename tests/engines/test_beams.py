import warnings

import pytest
import torch
from PIL import Image as Picture
from transformers import GenerationConfig

import tiny
from gesso.core.messages import Image, user
from gesso.core.sampling import Sampling
from gesso.engines.beams import beam_search
from gesso.engines.chat import Chat


@pytest.mark.parametrize("penalty", [1.0, 1.7])
def test_tokens_are_those_of_transformers_beam_search(penalty: float) -> None:
    model, prompt = tiny.llama(), tiny.prompts(9)[0]
    choice = {"max_new_tokens": 8, "num_beams": 4, "repetition_penalty": penalty}
    settings = GenerationConfig(**choice, do_sample=False, eos_token_id=1, pad_token_id=2)
    with warnings.catch_warnings(action="ignore"):
        expected = model.generate(
            inputs_embeds=prompt[None],
            attention_mask=torch.ones(1, 9, dtype=torch.long),
            generation_config=settings,
        )
    assert beam_search(model, prompt, Sampling(**choice), {1}) == expected[0].tolist()


def test_settings_left_in_the_checkpoint_do_not_leak_in() -> None:
    model, prompt, sampling = tiny.llama(), tiny.prompts(9)[0], Sampling(max_new_tokens=8, num_beams=4)
    plain = beam_search(model, prompt, sampling, {1})
    model.generation_config = GenerationConfig(do_sample=True, temperature=9.0, max_length=3)
    assert beam_search(model, prompt, sampling, {1}) == plain


def test_a_llava_searches_over_a_picture() -> None:
    model = tiny.llava()
    picture = Image(Picture.effect_noise((40, 30), 80).convert("RGB"))
    answer = Chat(model, model.processor).chat(
        [user(picture, "what?")], Sampling(max_new_tokens=6, num_beams=3)
    )
    assert 1 <= answer.usage.completion_tokens <= 6
