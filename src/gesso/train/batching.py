"""From encoded conversations to the tensors of one step: packing, padding, order.

Letters: B rows, L positions of the longest row, N positions of one picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gesso.core.errors import TrainingError
from gesso.models.base import AUDIO_INDEX, IGNORE_INDEX, IMAGE_INDEX, Encoded

__all__ = ["PackedBatch", "PackedRow", "collate", "example_order", "pack"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PackedRow:
    """Several answers to one prompt prefix, side by side in one row.

    Attributes:
        ids: [l] token ids, `IMAGE_INDEX` at every position of a picture's features, `AUDIO_INDEX` at those of
            a sound's.
        labels: [l] what the position should predict is `labels` one further on; `IGNORE_INDEX` elsewhere.
        positions: [l] position of each token within its own conversation.
        branches: [l] 0 for the shared prefix, then 1, 2, ... for each conversation.
    """

    ids: IntArray
    labels: IntArray
    positions: IntArray
    branches: IntArray


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Rows padded to one length.

    Attributes:
        ids: [B, L]; `IMAGE_INDEX` at picture positions, `AUDIO_INDEX` at those of sounds.
        labels: [B, L], already shifted: the token that follows, or `IGNORE_INDEX`.
        positions: [B, L]
        attention: [B, 1, L, L] true where a query (row) may look at a key (column).
    """

    ids: Tensor
    labels: Tensor
    positions: Tensor
    attention: Tensor


def pack(
    conversations: Sequence[Encoded],
    features_per_image: Sequence[int],
    length: int | None = None,
    sounds: Sequence[Sequence[int]] | None = None,
) -> PackedRow:
    """Pack conversations that begin alike into one row; each sees the prefix and itself only.

    The shared prefix (a picture, or a text that all ask about) is computed once instead of once per
    conversation, and every conversation trains as if it stood alone.

    Args:
        conversations: encoded conversations over the same pictures.
        features_per_image: positions each picture takes, in order.
        length: positions of the row; conversations that no longer fit are left out, but not the first. Which
            are in is told by `branches`.
        sounds: positions that each sound of each conversation takes; None if there are no sounds. Sounds are
            never shared.
    """
    # in ids; a picture is one id here, and as many positions as it has features further down
    shared = _shared_length(conversations)
    # also not at their first own token: the last shared one would have to predict it, for all of them at once
    if shared and any(any(conversation.supervised[: shared + 1]) for conversation in conversations):
        raise TrainingError("packed conversations share an answer; give each its own question")
    first = conversations[0]
    pictures = first.ids[:shared].count(IMAGE_INDEX)
    before, after = features_per_image[:pictures], features_per_image[pictures:]
    # positions go on from the prefix in every branch, so that each stands where it would stand alone
    parts = [_stretch(first.ids[:shared], first.supervised[:shared], (before, ()), 0, 0)]
    prefix = used = len(parts[0].ids)
    for number, conversation in enumerate(conversations, start=1):
        ids, supervised = conversation.ids[shared:], conversation.supervised[shared:]
        own = (after, sounds[number - 1] if sounds else ())
        part = _stretch(ids, supervised, own, prefix, number)
        # a shorter one may still fit
        if length is not None and number > 1 and used + len(part.ids) > length:
            continue
        parts.append(part)
        used += len(part.ids)
    return PackedRow(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("ids", "labels", "positions", "branches")
        )
    )


def collate(rows: Sequence[PackedRow], pad_id: int) -> PackedBatch:
    """Pad rows on the right and build their attention mask.

    A padded position sees itself only, so that its softmax is defined; nothing sees it.
    """
    length = max(len(row.ids) for row in rows)
    ids = _padded([row.ids for row in rows], length, pad_id)  # [B, L], as all here
    labels = _padded([_next_token_labels(row) for row in rows], length, IGNORE_INDEX)
    positions = _padded([row.positions for row in rows], length, 0)
    branches = _padded([row.branches for row in rows], length, -1)
    query, key = branches[:, :, None], branches[:, None, :]  # [B, L, 1], [B, 1, L]
    causal = torch.ones(length, length, dtype=torch.bool).tril()  # [L, L]
    # its own branch and the prefix (0), never what comes later; padding (-1) looks at nothing ...
    visible = ((key == query) | (key == 0)) & (query >= 0) & causal  # [B, L, L]
    # ... but itself: a softmax over no position at all is not a number, and spreads through every gradient
    visible |= torch.eye(length, dtype=torch.bool)
    return PackedBatch(ids, labels, positions, visible[:, None])  # [B, L, L] -> [B, 1, L, L]


def example_order(
    step: int, batch: int, count: int, seed: int, epochs: Callable[[int], Sequence[int]] | None = None
) -> IntArray:
    """Examples of micro-batch number `step`: each epoch goes through all of them in a new order.

    A function of its arguments alone, so a resumed run sees exactly what the unbroken one would have.

    Args:
        step: number of the micro-batch.
        batch: examples of each.
        count: examples of an epoch.
        seed: of the orders.
        epochs: gives the order of an epoch by its number, in place of a random one.
    """
    start = step * batch
    # a batch may begin in one epoch and end in the next
    numbers = np.arange(start, start + batch)
    order = np.empty(batch, np.int64)
    for epoch in np.unique(numbers // count):
        chosen = numbers // count == epoch
        whole = _permutation(count, seed, int(epoch)) if epochs is None else np.asarray(epochs(int(epoch)))
        order[chosen] = whole[numbers[chosen] % count]
    return order


# two: a batch across the border of epochs needs both orders
@lru_cache(maxsize=2)
def _permutation(count: int, seed: int, epoch: int) -> IntArray:
    return np.random.default_rng([seed, epoch]).permutation(count)


def _shared_length(conversations: Sequence[Encoded]) -> int:
    """Length of the common prefix: up to the last picture, or, without pictures, to the first answer at most.

    A conversation alone shares nothing.
    """
    if len(conversations) == 1:
        return 0
    rows = [conversation.ids for conversation in conversations]
    shortest = min(map(len, rows))
    # where they first differ; different pictures look alike here, but a group is about the same ones
    same = next((i for i in range(shortest) if len({row[i] for row in rows}) > 1), shortest)
    # different sounds look alike too, and these are not the same in a group
    same = next((i for i in range(same) if rows[0][i] == AUDIO_INDEX), same)
    if any(IMAGE_INDEX in row[same:] for row in rows):
        raise TrainingError("packed conversations differ before their last picture; pack only equal prefixes")
    # not the question's first words, though they may be alike, too: a branch's own first token must predict
    # nothing, and a prefix that ends with the picture never ends within an answer
    if IMAGE_INDEX in rows[0]:
        return min(same, _after_last_image(rows[0]))
    return min(same, *(_first_answer(conversation) for conversation in conversations))


def _first_answer(conversation: Encoded) -> int:
    learned = conversation.supervised
    # the token before an answer stays with it: it is the one that predicts the answer's first token
    return max(0, learned.index(True) - 1) if True in learned else len(learned)


def _after_last_image(ids: Sequence[int]) -> int:
    return max((i + 1 for i, token in enumerate(ids) if token == IMAGE_INDEX), default=0)


def _stretch(
    ids: Sequence[int],
    supervised: Sequence[bool],
    features: tuple[Sequence[int], Sequence[int]],
    start: int,
    branch: int,
) -> PackedRow:
    """Repeat the id of each picture and sound over the positions its features take; number the positions."""
    token_ids = np.asarray(ids, np.int64)
    # [n] ids -> [l] positions: one each, but a picture's features for its id
    repeats = np.ones(len(ids), np.int64)
    repeats[token_ids == IMAGE_INDEX], repeats[token_ids == AUDIO_INDEX] = features
    labels = np.where(np.asarray(supervised, bool), token_ids, IGNORE_INDEX)
    length = int(repeats.sum())
    return PackedRow(
        np.repeat(token_ids, repeats),
        np.repeat(labels, repeats),
        np.arange(start, start + length),
        np.full(length, branch, np.int64),
    )


def _next_token_labels(row: PackedRow) -> IntArray:
    """Labels moved one position back within each branch.

    The first token of a branch is never supervised (it belongs to the question), so no label crosses over.
    """
    shifted = np.full_like(row.labels, IGNORE_INDEX)
    # shifted here, once, and not by the loss: the next position of a packed row may be another conversation's
    shifted[:-1] = np.where(row.branches[1:] == row.branches[:-1], row.labels[1:], IGNORE_INDEX)
    return shifted


def _padded(rows: Sequence[IntArray], length: int, value: int) -> Tensor:
    # rows of [l_i] -> [B, L]
    out = np.full((len(rows), length), value, np.int64)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return torch.from_numpy(out)
