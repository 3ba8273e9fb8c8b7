"""How picture features become part of a sequence: tiles joined, then spliced between token embeddings.

Follows `prepare_inputs_labels_for_multimodal` and `unpad_image` of haotian-liu/LLaVA at c121f04
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

__all__ = ["Grid", "MergeType", "merge_tiles", "merged_length", "pad_rows", "splice", "unpadded_ranges"]

MergeType = Literal["flat", "spatial", "spatial_unpad"]

Grid = tuple[int, int]
"""(columns, rows) of tiles."""

IMAGE: Final = -200
"""Stands for one picture in a row of token ids."""


def unpadded_ranges(height: int, width: int, size: tuple[int, int]) -> tuple[range, range]:
    """Rows and columns of a feature map that show the picture and not its padding.

    Args:
        height: rows of the map over the whole canvas.
        width: its columns.
        size: (width, height) of the original picture in pixels.
    """
    picture_width, picture_height = size
    # the original's order of operations, in double precision: int() cuts, so rounding decides
    if picture_width / picture_height > width / height:
        kept = int(picture_height * (width / picture_width))
        margin = (height - kept) // 2
        return range(margin, height - margin), range(width)
    kept = int(picture_width * (height / picture_height))
    margin = (width - kept) // 2
    return range(height), range(margin, width - margin)


def merged_length(tiles: int, grid: Grid, side: int, size: tuple[int, int], merge_type: MergeType) -> int:
    """How many positions `merge_tiles` gives for one picture whose tiles have `side` x `side` patches."""
    if merge_type != "spatial_unpad":
        return tiles * side * side
    if tiles == 1:
        return side * side + 1
    rows, columns = unpadded_ranges(grid[1] * side, grid[0] * side, size)
    return side * side + len(rows) * (len(columns) + 1)


def merge_tiles(
    features: Tensor, grid: Grid, size: tuple[int, int], merge_type: MergeType, newline: Tensor | None = None
) -> Tensor:
    """Join the tiles' features of one picture into one sequence.

    "flat" puts the tiles one after the other. "spatial" puts the overview first, then the grid's patches line
    by line across the tiles. "spatial_unpad" also leaves out the canvas around the picture and ends each line
    with `newline`; a single tile gets one newline at its end.

    Args:
        features: [T, P*P, D]; the overview, then the grid's tiles line by line.
        grid: (columns, rows) of tiles; not read for a single tile.
        size: (width, height) of the original picture in pixels.
        merge_type: "flat", "spatial" or "spatial_unpad".
        newline: [D], for "spatial_unpad".

    Returns:
        [N, D]

    Raises:
        UsageError: tiles and grid do not agree, tiles are not square, or the newline is missing.
    """
    if merge_type == "flat":
        return features.flatten(0, 1)  # [T, P*P, D] -> [T*P*P, D]
    overview = features[0]  # [P*P, D]
    lines = _raster(features[1:], grid) if len(features) > 1 else None  # [H, W, D]
    if merge_type == "spatial":
        return overview if lines is None else torch.cat([overview, lines.flatten(0, 1)])
    if newline is None:
        raise UsageError("spatial_unpad needs the newline's embedding; this model has none")
    newline = newline.to(features)
    if lines is None:
        return torch.cat([overview, newline[None]])
    rows, columns = unpadded_ranges(lines.shape[0], lines.shape[1], size)
    lines = lines[rows.start : rows.stop, columns.start : columns.stop]
    ends = newline.expand(len(lines), 1, -1)  # [H, 1, D]
    return torch.cat([overview, torch.cat([lines, ends], dim=1).flatten(0, 1)])


def splice(
    ids: Tensor,
    embed: Callable[[Tensor], Tensor],
    features: Sequence[Tensor],
    labels: Tensor | None = None,
    *,
    ignore_index: int = -100,
) -> tuple[Tensor, Tensor | None]:
    """Token embeddings of one row with each picture's features in place of its -200.

    Args:
        ids: [l] token ids; -200 once for each picture.
        embed: token ids [n] -> embeddings [n, D].
        features: [N_i, D] of each picture, in order.
        labels: [l]; picture positions get `ignore_index`.
        ignore_index: the label the loss leaves out.

    Returns:
        embeddings [L, D], and labels [L] if they were given.

    Raises:
        UsageError: the row has more or fewer pictures than features.
    """
    pictures = (ids == IMAGE).nonzero().flatten().tolist()
    if len(pictures) != len(features):
        raise UsageError(f"the row has {len(pictures)} places for pictures and {len(features)} pictures came; "
                         "there must be one for each")  # fmt: skip
    pieces: list[Tensor] = []
    targets: list[Tensor] = []
    for span, picture in zip(_text_spans(pictures, len(ids)), [*features, None], strict=True):
        pieces.append(embed(ids[span]))
        if labels is not None:
            targets.append(labels[span])
        if picture is not None:
            pieces.append(picture.to(pieces[0]))
            targets.append(ids.new_full((len(picture),), ignore_index))
    return torch.cat(pieces), None if labels is None else torch.cat(targets)


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
    cut = [row[:max_length] for row in rows]
    longest = max(len(row) for row in cut)
    padded, masks = [], []
    for row in cut:
        free = longest - len(row)
        before, after = (free, 0) if side == "left" else (0, free)
        padded.append(functional.pad(row, (0, 0, before, after)))
        mask = torch.ones(len(row), dtype=torch.long, device=row.device)
        masks.append(functional.pad(mask, (before, after)))
    return torch.stack(padded), torch.stack(masks)


def _raster(tiles: Tensor, grid: Grid) -> Tensor:
    """Tiles [G, P*P, D] -> one map [rows*P, columns*P, D] in the picture's own order."""
    columns, rows = grid
    count, patches, width = tiles.shape
    side = round(patches**0.5)
    if count != columns * rows or side * side != patches:
        raise UsageError(
            f"{count} tiles of {patches} patches do not fill a grid of {columns} x {rows}; "
            "there must be columns x rows tiles with a square number of patches"
        )
    blocks = tiles.view(rows, columns, side, side, width)
    return blocks.transpose(1, 2).reshape(rows * side, columns * side, width)  # [r, P, c, P, D] joined


def _text_spans(pictures: Sequence[int], length: int) -> Iterator[slice]:
    """The stretches of text before, between and after the pictures; some may be empty."""
    start = 0
    for place in pictures:
        yield slice(start, place)
        start = place + 1
    yield slice(start, length)
