"""Tokens for what every canvas program repeats: the calls with their arguments, and the published names.

A thing of the storybook takes about 82 tokens of the minis' tokenizer, most of them the same for all. With
one token for each fixed stretch between two values and for each name of a location, offset or area it takes
about 20, so that edits of six things fit into a mini's context, and where a thing is can be looked up by one
token. The text of a program, and so the notation, stays as published.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from tokenizers import AddedToken
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gesso.canvas.source import BEGIN, GLOBAL, LOCAL
from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.storybook.compose import MOOD

__all__ = ["add_canvas_tokens", "canvas_stretches", "canvas_tokens"]

QUOTES: Final = {"detailed_descriptions": ("[", "]"), "distance_to_viewer": ("", "")}
"""Argument -> what stands around its value; all others are texts in single quotes."""

GAP: Final = "\0"
"""Stands for a value."""

GLOBAL_CALL: Final = "canvas.set_global_description("
LOCAL_CALL: Final = "canvas.add_local_description("


def canvas_stretches() -> tuple[str, ...]:
    """The fixed stretches of a program written as the storybook writes it: a call to a line."""
    opening, *background, ending = _fixed(GLOBAL)
    first, *region, _ = _fixed(LOCAL)  # both calls end with the colour
    whole = (
        f"```python\n{BEGIN}\n{GLOBAL_CALL}{opening}",
        *background,
        *region,
        f"{ending})\n{LOCAL_CALL}{first}",
        f"{ending})\n```",
    )
    return tuple(dict.fromkeys(whole))


def canvas_tokens() -> tuple[str, ...]:
    """All texts that are one token each: the stretches and the names."""
    # in notes a blank goes before a location: as a token of its own it would part the thing from its place
    spaced = (f" {name}" for name in LOCATIONS)
    return (*canvas_stretches(), *LOCATIONS, *OFFSETS, *AREAS, *spaced)


@torch.no_grad()
def add_canvas_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Add these tokens to a tokenizer, and a row of the model's embeddings for each, in place.

    A new token begins as the mean of the tokens it replaces. Tokens that are there already stay as they are.
    """
    known = tokenizer.get_vocab()
    new = [stretch for stretch in canvas_tokens() if stretch not in known]
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


def _fixed(names: Sequence[str]) -> list[str]:
    """What stands before, between and behind the values of a call's arguments that vary."""
    written = []
    for name in names:
        opening, closing = QUOTES.get(name, ("'", "'"))
        written.append(f"{name}={opening}{MOOD.get(name, GAP)}{closing}")
    return ", ".join(written).split(GAP)
