"""Texts of a canvas as prompts: prefix and suffixes, packed greedily into windows of 77 tokens.

Omost describes a region by a path of prefixes (the whole picture, then the region) and a bag of suffixes.
Every window holds the whole prefix and as many of the suffixes, in order, as fit.

Source: `safe_str` of `lib_omost/canvas.py` and `encode_bag_of_subprompts_greedy` of `lib_omost/pipeline.py`,
lllyasviel/Omost at 731e749.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gesso.core.errors import CanvasError

__all__ = ["ROOM", "WINDOW", "WindowIds", "as_sentence", "greedy_bags", "token_windows"]

WINDOW: Final = 77
"""Ids of one window, with begin and end."""

ROOM: Final = WINDOW - 2
"""Ids of one window that are text."""

Tokenize = Callable[[str], Sequence[int]]
"""Text -> its ids, without begin and end, not cut."""


def as_sentence(text: str) -> str:
    """A text with one dot at its end, and no comma, dot or blank around it otherwise.

    An empty text becomes "."; line ends and other marks stay, so "?" becomes "?.".
    """
    return text.strip(",. ") + "."


def greedy_bags(room: int, lengths: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Indices of the texts that share a window, in order; none are left out.

    A text longer than the room has a bag of its own. No texts give no bags.

    Args:
        room: tokens of a window that the prefix leaves free; 0 or less gives every text its own bag.
        lengths: tokens of each text.
    """
    bags: list[list[int]] = []
    used = 0
    for index, length in enumerate(lengths):
        if not bags or used + length > room:
            bags.append([])
            used = 0
        bags[-1].append(index)
        used += length
    return tuple(tuple(bag) for bag in bags)


@dataclass(frozen=True, slots=True)
class WindowIds:
    """How one tokenizer makes a window.

    SDXL's two tokenizers cut text alike and differ in `pad` only: the end token's id, and 0.

    Attributes:
        tokenize: text -> its ids, without begin and end, not cut.
        bos: id that begins a window.
        eos: id that ends its text.
        pad: id that fills it.
        length: ids of a window, with begin and end.
    """

    tokenize: Tokenize
    bos: int
    eos: int
    pad: int
    length: int = WINDOW

    @property
    def room(self) -> int:
        """Ids of a window that are text."""
        return self.length - 2

    def window(self, ids: Sequence[int]) -> tuple[int, ...]:
        """[length] ids: begin, as many of the given ones as there is room for, end, and padding."""
        filled = [self.bos, *ids[: self.room], self.eos]
        return (*filled, *[self.pad] * (self.length - len(filled)))


def token_windows(
    prefixes: Sequence[str], suffixes: Sequence[str], tokenizers: Sequence[WindowIds]
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """The windows of one region for each tokenizer: [tokenizers][windows][length] ids.

    The prefix is repeated in every window and never cut to make room; each suffix is cut to what a window
    has room for.
    Without suffixes there is one window with the prefix alone, where the original fails.

    Args:
        prefixes: sentences of the path to the region, see `Canvas.conditions`.
        suffixes: sentences that may be told apart.
        tokenizers: one for each text encoder; the first decides what fits.

    Raises:
        CanvasError: the tokenizers do not cut the texts into equally many ids.
    """
    each = [_ids(prefixes, suffixes, tokenizer) for tokenizer in tokenizers]
    prefix, texts = each[0]
    counts = [(len(head), [len(ids) for ids in tail]) for head, tail in each]
    if any(count != counts[0] for count in counts):
        raise CanvasError("the tokenizers cut the prompts differently; use two with the same vocabulary")
    bags = greedy_bags(tokenizers[0].room - len(prefix), [len(ids) for ids in texts]) or ((),)
    return tuple(
        tuple(tokenizer.window([*head, *(token for index in bag for token in tail[index])]) for bag in bags)
        for tokenizer, (head, tail) in zip(tokenizers, each, strict=True)
    )


def _ids(
    prefixes: Sequence[str], suffixes: Sequence[str], tokenizer: WindowIds
) -> tuple[list[int], list[list[int]]]:
    """Ids of the whole prefix, and of each suffix."""
    prefix = [token for text in prefixes for token in tokenizer.tokenize(text)]
    return prefix, [list(tokenizer.tokenize(text)[: tokenizer.room]) for text in suffixes]
