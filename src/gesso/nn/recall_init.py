"""A start for small language models: look one, two and three tokens back, then for tokens like one's own.

To answer from a text, a model must find where the words of the question occur in it and what stands beside
them there. Networks this small find that out late and suddenly. Here heads of the first layer start out
looking a fixed distance back (rotary positions, arXiv 2104.09864, make that a turn of a constant), and those
of the others start with queries equal to keys, so that a word attends to the same word ("Mimetic
initialization of self-attention layers", arXiv 2305.09828). Everything stays trainable.
"""

from typing import Any, Final

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

__all__ = ["start_recalling"]

LOUDER: Final = 5.0  # times transformers' spread of embeddings, which the first layer would drown
CONSTANT: Final = 6.0  # size of the constant feature of every token, in spreads of the others
PAIRS: Final = 4  # rotary frequencies that tell distances apart; slower ones hardly turn from token to token
GAIN: Final = 1.05  # gives the token at the right distance about fifty times the weight of its neighbours
SCALE: Final = 3.0  # of the usual spread of keys, so that equal tokens stand out from the first step


@torch.no_grad()
def start_recalling(model: LlamaForCausalLM) -> None:
    """Set embeddings, queries and keys of a new model in place.

    Letters: D width, d width of a head, G key heads, H query heads. The first query head of key head g looks
    g + 1 tokens back; the other query heads of the first layer stay random.
    """
    table: Tensor = model.model.embed_tokens.weight.mul_(LOUDER)  # [V, D]
    table[:, 0] = CONSTANT * table.std()
    layers: Any = model.model.layers
    attention = layers[0].self_attn
    width = attention.head_dim
    for head in range(attention.k_proj.out_features // width):
        query = head * attention.num_key_value_groups
        _look_back(attention.q_proj.weight[query * width : (query + 1) * width], model, head + 1)
        _look_back(attention.k_proj.weight[head * width : (head + 1) * width], model, 0)
    for layer in layers[1:]:
        _match(layer.self_attn)


def _look_back(rows: Tensor, model: LlamaForCausalLM, distance: int) -> None:
    """Make a head's rows [d, D] of a projection read the constant alone, turned by a distance in tokens."""
    half = len(rows) // 2
    rotary: Any = model.model.rotary_emb
    angles = distance * rotary.inv_freq[:PAIRS]
    rows.zero_()
    rows[:PAIRS, 0] = GAIN * torch.cos(angles)
    rows[half : half + PAIRS, 0] = -GAIN * torch.sin(angles)


def _match(attention: Any) -> None:
    """Make each query head's projection that of its key head, blind to the constant and to distance."""
    keys = attention.k_proj.weight.mul_(SCALE)  # [G*d, D]
    keys[:, 0] = 0
    heads = keys.unflatten(0, (-1, attention.head_dim))  # [G*d, D] -> [G, d, D]
    half = attention.head_dim // 2
    # the two halves of a head turn together; its faster frequencies would tell equal words apart by distance
    heads[:, : half // 2] = 0
    heads[:, half : half + half // 2] = 0
    # [G, d, D] -> [H, d, D] -> [H*d, D]
    attention.q_proj.weight.copy_(
        heads.repeat_interleave(attention.num_key_value_groups, dim=0).flatten(0, 1)
    )
