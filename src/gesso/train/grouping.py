"""Orders in which pictures and plain text never share a batch, and rows of a batch are of like length.

Both originals train their second stage so (haotian-liu/LLaVA at c121f04, dvlab-research/MGM at 769820c): a
batch of one modality leaves no process waiting for another one's tower, and like lengths waste no padding.

Lengths are signed: positive for an example with a picture, negative for one without.
"""

from collections.abc import Sequence
from itertools import chain
from math import inf

import torch

__all__ = ["even_shares", "length_order", "modality_order"]


def modality_order(
    lengths: Sequence[int],
    batch: int,
    processes: int,
    inner: torch.Generator | None,
    outer: torch.Generator | None,
) -> list[int]:
    """One epoch in which every batch but the last few has pictures only, or none.

    Args:
        lengths: of the examples, signed.
        batch: examples of one micro-batch.
        processes: processes times micro-batches of a step: so many batches are made of one random draw.
        inner: shuffles the examples of each modality; None takes torch's own generator.
        outer: shuffles these draws, likewise.
    """
    pictured = [number for number, length in enumerate(lengths) if length > 0]
    plain = [number for number, length in enumerate(lengths) if length <= 0]
    sizes = [abs(length) for length in lengths]
    if not pictured or not plain:
        # signed, as the originals have it: of text alone the longest come last, which serves as well
        return length_order(lengths, batch, processes, outer)
    draws: list[list[int]] = []
    rest: list[int] = []
    for numbers in (pictured, plain):
        order = length_order([sizes[number] for number in numbers], batch, processes, inner)
        own = _draws([numbers[place] for place in order], batch * processes)
        # the last of each may be short, so these two share
        draws += own[:-1]
        rest += own[-1]
    shuffled = (draws[place] for place in _shuffled(len(draws), outer))
    return [*chain.from_iterable(shuffled), *sorted(rest)]


def length_order(
    lengths: Sequence[int], batch: int, processes: int, generator: torch.Generator | None
) -> list[int]:
    """One epoch in which the batches of a step are made of examples of one random draw, evenly by length."""
    order: list[int] = []
    for draw in _draws(_shuffled(len(lengths), generator), batch * processes):
        longest_first = sorted(draw, key=lambda number: lengths[number], reverse=True)
        order += chain.from_iterable(even_shares(longest_first, lengths, processes))
    return order


def even_shares(numbers: Sequence[int], lengths: Sequence[int], shares: int) -> list[list[int]]:
    """Split examples into shares of one count, each next one going to the share that is shortest so far.

    Where they do not divide evenly, shares take turns.
    """
    if len(numbers) % shares:
        return [list(numbers[start::shares]) for start in range(shares)]
    full = len(numbers) // shares
    found: list[list[int]] = [[] for _ in range(shares)]
    totals: list[float] = [0] * shares
    for number in numbers:
        # of equal ones the first
        shortest = min(range(shares), key=lambda share: totals[share])
        found[shortest].append(number)
        done = len(found[shortest]) == full
        totals[shortest] = inf if done else totals[shortest] + lengths[number]
    return found


def _draws(numbers: Sequence[int], size: int) -> list[list[int]]:
    return [list(numbers[start : start + size]) for start in range(0, len(numbers), size)]


def _shuffled(count: int, generator: torch.Generator | None) -> list[int]:
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order
