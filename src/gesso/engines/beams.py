"""Beam search, by transformers' own `generate`."""

import warnings
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from gesso.core.sampling import Sampling

__all__ = ["beam_search"]


def beam_search(
    language_model: PreTrainedModel, prompt: Tensor, sampling: Sampling, ends: Collection[int]
) -> list[int]:
    """The tokens of the best beam after one prompt.

    Args:
        language_model: a causal language model that has `generate`.
        prompt: prompt embeddings [L, D].
        sampling: settings; `num_beams`, `max_new_tokens` and `repetition_penalty` count here.
        ends: tokens that end a beam.

    Returns:
        The new tokens; the end token is among them if the beam came to its end.
    """
    ends = sorted(ends)
    settings: Any = GenerationConfig(
        num_beams=sampling.num_beams,
        max_new_tokens=sampling.max_new_tokens,
        repetition_penalty=sampling.repetition_penalty,
        do_sample=False,
        eos_token_id=ends,
        pad_token_id=ends[0] if ends else 0,
    )
    generator: Any = language_model
    mask = torch.ones(1, len(prompt), dtype=torch.long, device=prompt.device)
    with warnings.catch_warnings():
        # a prompt of embeddings has no tokens to penalise; gesso's own decoding leaves it out as well
        warnings.filterwarnings("ignore", "Passing `repetition_penalty`")
        # given embeddings alone, generate returns the new tokens alone: [1, N]
        rows = generator.generate(inputs_embeds=prompt[None], attention_mask=mask, generation_config=settings)
    tokens: list[int] = rows[0].tolist()
    return tokens
