"""Tokens for what every canvas program repeats: the calls and the names of their arguments.

A thing of the storybook takes about 82 tokens of the minis' tokenizer, most of them the same for all. With
one token for each fixed stretch between two values it takes about 39, so that edits of six things fit into a
mini's context. The text of a program, and so the notation, stays as published.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import torch
from tokenizers import AddedToken
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gesso.canvas.source import BEGIN, GLOBAL, LOCAL

__all__ = ["add_canvas_tokens", "canvas_stretches"]

QUOTES: Final = {"detailed_descriptions": ("[", "]"), "distance_to_viewer": ("", "")}
"""Argument -> what stands around its value; all others are texts in single quotes."""

GLOBAL_CALL: Final = "canvas.set_global_description("
LOCAL_CALL: Final = "canvas.add_local_description("


def canvas_stretches() -> tuple[str, ...]:
    """The fixed stretches of a program written as the storybook writes it: a call to a line."""
    between = [stretch for names in (GLOBAL, LOCAL) for stretch in _between(names)]
    ending = _around(GLOBAL[-1])[1]  # both calls end with the colour
    whole = (
        f"```python\n{BEGIN}\n{GLOBAL_CALL}{_opening(GLOBAL[0])}",
        *between,
        f"{ending})\n{LOCAL_CALL}{_opening(LOCAL[0])}",
        f"{ending})\n```",
    )
    return tuple(dict.fromkeys(whole))


@torch.no_grad()
def add_canvas_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Add the stretches to a tokenizer, and a row of the model's embeddings for each, in place.

    A new token begins as the mean of the tokens it replaces. Tokens that are there already stay as they are.
    """
    known = tokenizer.get_vocab()
    new = [stretch for stretch in canvas_stretches() if stretch not in known]
    pieces = [tokenizer.encode(stretch, add_special_tokens=False) for stretch in new]
    # "normalized" would let the text around a stretch decide whether it is found
    tokenizer.add_tokens([AddedToken(stretch, normalized=False) for stretch in new])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tables: dict[int, Any] = {
        id(module.weight): module.weight
        for module in (model.get_input_embeddings(), model.get_output_embeddings())
        if module is not None
    }
    for table in tables.values():  # one, if input and output share it
        for stretch, ids in zip(new, pieces, strict=True):
            table[tokenizer.convert_tokens_to_ids(stretch)] = table[ids].mean(0)  # [n, D] -> [D]


def _between(names: Sequence[str]) -> list[str]:
    """What stands between the values of neighbouring arguments."""
    return [f"{_around(one)[1]}, {_opening(other)}" for one, other in pairwise(names)]


def _opening(name: str) -> str:
    return f"{name}={_around(name)[0]}"


def _around(name: str) -> tuple[str, str]:
    return QUOTES.get(name, ("'", "'"))
