"""A start for small language models: every head looks for tokens like its own.

To answer from a text, a model must first find where the words of the question occur in it. A head whose
queries start out equal to its keys already attends from a word to the same word. In the spirit of "Mimetic
initialization of self-attention layers" (arXiv 2305.09828), which adds the identity to the product of query
and key matrices.
"""

from typing import Any, Final

import torch
from transformers import LlamaForCausalLM

__all__ = ["start_matching"]

SCALE: Final = 2.0  # of the usual spread, so that equal tokens stand out from the first step


@torch.no_grad()
def start_matching(model: LlamaForCausalLM) -> None:
    """Set the queries of a new model to its keys, in place; each query head takes those of its key head."""
    layers: Any = model.model.layers
    for layer in layers:
        attention = layer.self_attn
        keys = attention.k_proj.weight.mul_(SCALE)
        # [G * d, D] -> [G, d, D] -> [H, d, D] -> [H * d, D]
        heads = keys.unflatten(0, (-1, attention.head_dim))
        queries = heads.repeat_interleave(attention.num_key_value_groups, dim=0).flatten(0, 1)
        attention.q_proj.weight.copy_(queries)
