"""How picture features become part of a sequence: tiles joined, then spliced between token embeddings.

Follows `prepare_inputs_labels_for_multimodal` of haotian-liu/LLaVA at c121f04
(`llava/model/llava_arch.py`), with one difference: there a row without a picture still uses up one entry of
the batch's pictures; here each row comes with its own.

Letters: T tiles of one picture, P patches along one side of a tile, D width, L positions, B rows.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional

from gesso.core.errors import UsageError

__all__ = [
    "AUDIO_INDEX",
    "IGNORE_INDEX",
    "IMAGE_INDEX",
    "MEDIA",
    "join_flat",
    "join_lines",
    "pad_rows",
    "place",
    "splice",
]

IMAGE_INDEX: Final = -200
"""Stands in a row of token ids where one picture's features belong (LLaVA's value)."""

AUDIO_INDEX: Final = -201
"""Stands in a row of token ids where one sound's features belong."""

MEDIA: Final = (IMAGE_INDEX, AUDIO_INDEX)
"""All ids that stand for features."""

IGNORE_INDEX: Final = -100
"""Label of a position the loss leaves out; what torch's cross-entropy ignores unless told otherwise."""


def join_flat(features: Tensor) -> Tensor:
    """Tiles one after the other: [T, N, D] -> [T*N, D]."""
    return features.flatten(0, 1)


def join_lines(
    features: Tensor,
    grid: tuple[int, int],
    shown: tuple[slice, slice] | None = None,
    newline: Tensor | None = None,
) -> Tensor:
    """The overview, then the grid's patches line by line across its tiles.

    Without `shown` and `newline` this is the original's "spatial", with both its "spatial_unpad".

    Args:
        features: [T, P*P, D]; the overview, then the grid's tiles line by line; T = 1 is the overview alone.
        grid: (columns, rows) of tiles; not read for an overview alone.
        shown: rows and columns of the whole grid's patches to keep; not read for an overview alone.
        newline: [D], put at the end of each line, and once after an overview alone.

    Returns:
        [N, D]

    Raises:
        UsageError: tiles and grid do not agree, or tiles are not square.
    """
    overview = features[0]  # [P*P, D]
    ends = None if newline is None else newline.to(features)[None]  # [1, D]
    # as in the original: a picture without tiles has no lines, yet one newline
    if len(features) == 1:
        return overview if ends is None else torch.cat([overview, ends])
    lines = _raster(features[1:], grid)  # [H, W, D]
    if shown is not None:
        # [H, W, D] -> fewer rows or columns: those that show the picture
        lines = lines[shown]
    if ends is not None:
        lines = torch.cat([lines, ends.expand(len(lines), 1, -1)], dim=1)  # [H, W + 1, D]
    # [H, W + 1, D] -> [H * (W + 1), D], behind the overview's [P*P, D]
    return torch.cat([overview, lines.flatten(0, 1)])


def splice(
    ids: Tensor,
    embed: Callable[[Tensor], Tensor],
    features: Sequence[Tensor],
    labels: Tensor,
) -> tuple[Tensor, Tensor]:
    """Token embeddings of one row with the features of each picture and sound in its place.

    Args:
        ids: [l] token ids; `IMAGE_INDEX` once for each picture, `AUDIO_INDEX` for each sound.
        embed: token ids [n] -> embeddings [n, D].
        features: [N_i, D] of each of them, in order.
        labels: [l]; positions of features get `IGNORE_INDEX`.

    Returns:
        embeddings [L, D] and labels [L].

    Raises:
        UsageError: the row has more or fewer places than features.
    """
    places = torch.isin(ids, ids.new_tensor(MEDIA)).nonzero().flatten().tolist()
    if len(places) != len(features):
        raise UsageError(
            f"the row has {len(places)} places for pictures and sounds, but {len(features)} came; "
            "give one for each"
        )
    pieces: list[Tensor] = []
    targets: list[Tensor] = []
    # one stretch of text more than places, hence the None at the end
    for span, medium in zip(_text_spans(places, len(ids)), [*features, None], strict=True):
        pieces.append(embed(ids[span]))  # [n] -> [n, D]
        targets.append(labels[span])
        if medium is not None:
            # a tower may compute in another dtype, or on another device, than the table of embeddings
            pieces.append(medium.to(pieces[0]))
            targets.append(ids.new_full((len(medium),), IGNORE_INDEX))
    return torch.cat(pieces), torch.cat(targets)  # [L, D], [L]


def pad_rows(
    rows: Sequence[Tensor], *, side: Literal["left", "right"] = "right", max_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Cut rows [L_i, D] to `max_length` on the right, then fill them with zeros to one length.

    Args:
        rows: embeddings [L_i, D].
        side: where the padding goes.
        max_length: longest row allowed; None cuts nothing.

    Returns:
        embeddings [B, L, D] and the mask [B, L], 1 at real positions.
    """
    # on the right: the original keeps the beginning of what is too long, with its system text and pictures
    cut = [row[:max_length] for row in rows]
    longest = max(len(row) for row in cut)
    padded, masks = [], []
    for row in cut:
        free = longest - len(row)
        before, after = (free, 0) if side == "left" else (0, free)
        # pad counts from the last dimension: none along D, then along L
        padded.append(functional.pad(row, (0, 0, before, after)))  # [L_i, D] -> [L, D]
        mask = torch.ones(len(row), dtype=torch.long, device=row.device)
        masks.append(functional.pad(mask, (before, after)))
    return torch.stack(padded), torch.stack(masks)  # [B, L, D], [B, L]


def _raster(tiles: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tiles [G, P*P, D] -> one map [rows*P, columns*P, D] in the picture's own order."""
    columns, rows = grid
    count, patches, width = tiles.shape
    # 576 patches are 24 x 24; a class token among them would show here as a number without a whole root
    side = round(patches**0.5)
    if count != columns * rows or side * side != patches:
        raise UsageError(
            f"{count} tiles of {patches} patches do not fill a grid of {columns} x {rows}; "
            "there must be columns x rows tiles with a square number of patches"
        )
    # [r*c, P*P, D] -> [r, c, P, P, D]: tiles came line by line
    blocks = tiles.view(rows, columns, side, side, width)
    return blocks.transpose(1, 2).reshape(rows * side, columns * side, width)  # [r, P, c, P, D] joined


def _text_spans(places: Sequence[int], length: int) -> Iterator[slice]:
    """The stretches of text before, between and after these places; some may be empty."""
    start = 0
    for place in places:
        yield slice(start, place)
        start = place + 1
    yield slice(start, length)


def place(embeddings: Tensor, places: Tensor, features: Sequence[Tensor], noun: str) -> Tensor:
    """Features of pictures or sounds put where a batch has positions for them.

    Args:
        embeddings: [B, L, D].
        places: [B, L], whether a position is one of theirs.
        features: [N_i, D] each, in the order that their positions have in the batch.
        noun: what they are of, for people.

    Raises:
        UsageError: there are more or fewer positions than features.
    """
    joined = torch.cat(list(features))  # [sum of N_i, D]
    # masked_scatter takes a longer source without a word, and all later ones would be shifted
    if len(joined) != (count := int(places.sum())):
        raise UsageError(f"{len(features)} {noun} have {len(joined)} features for {count} positions; "
                         "what a processor counts and a model gives must agree")  # fmt: skip
    # towers give bf16 under autocast, the table float32; filled row by row, [B, L, D]
    return embeddings.to(joined.dtype).masked_scatter(places[..., None], joined)
