"""What a painter is asked for: texts with the places they belong to, before and after encoding.

Letters: R rows of text, L tokens, D width of their states, W width of the pooled state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gesso.canvas.canvas import Canvas
from gesso.canvas.layout import region_masks
from gesso.canvas.styles import STYLES, PromptStyle
from gesso.core.errors import UsageError

__all__ = ["SHOWN", "MaskLike", "PromptText", "RegionPrompt", "TextRegion", "prompts_of", "read_mask"]

SHOWN = 0.5
"""A cell is a region's where its mask is above this (Omost at 731e749, `lib_omost/pipeline.py`)."""


class MaskLike(Protocol):
    """A grid of numbers [rows, columns]: a numpy array, a tensor, or rows of numbers."""

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class RegionPrompt:
    """A text and where it belongs; the first of a picture's prompts covers the whole canvas.

    Attributes:
        mask: [90, 90] shares 0..1, an array, a tensor or nested sequences; stretched to the picture.
        prefixes: sentences that every window of this text repeats, such as the description of the canvas.
        suffixes: sentences that are packed greedily into windows behind the prefixes.
    """

    mask: MaskLike
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TextRegion:
    """An encoded text and where it belongs.

    Attributes:
        mask: [90, 90] float32.
        states: [R, L, D]; R is 1 unless the rows of a batch have different texts.
        words: [L], true where a token is text, false at begin, end and padding.
        pooled: [R, W], or None for models that use none.
        ids: [L], the tokens of the first encoder; None where nobody asks for them.
    """

    mask: Tensor
    states: Tensor
    words: Tensor
    pooled: Tensor | None = None
    ids: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PromptText:
    """Everything a picture's texts say.

    Attributes:
        regions: what to paint; the first covers the whole canvas.
        negative: what to keep away from, or None to paint without (guidance scale 1).

    Raises:
        UsageError: no region came, or some place of the canvas belongs to none.
    """

    regions: tuple[TextRegion, ...]
    negative: TextRegion | None

    def __post_init__(self) -> None:
        """Refuse prompts that leave a part of the canvas without any text."""
        if not self.regions:
            raise UsageError("no region came; give at least one that covers the whole canvas")
        covered = torch.stack([region.mask > SHOWN for region in self.regions]).any(dim=0)
        bare = int(covered.logical_not().sum())
        if bare:
            raise UsageError(
                f"{bare} of {covered.numel()} cells of the canvas belong to no region; "
                "let the first region cover the whole canvas"
            )


def prompts_of(canvas: Canvas, style: PromptStyle = STYLES["sentences"]) -> tuple[RegionPrompt, ...]:
    """The prompts of a canvas: the background everywhere, then its regions, farthest first."""
    pairs = zip(region_masks(canvas), style.conditions(canvas), strict=True)
    return tuple(RegionPrompt(mask, found.prefixes, found.suffixes) for mask, found in pairs)


def read_mask(mask: MaskLike | Sequence[Sequence[float]]) -> Tensor:
    """A region's mask as float32 [rows, columns].

    Raises:
        UsageError: it is no grid of shares between 0 and 1.
    """
    grid = torch.as_tensor(mask, dtype=torch.float32)
    if grid.ndim != 2 or not grid.numel():
        raise UsageError(f"a mask of shape {list(grid.shape)} came; it must be a grid such as [90, 90]")
    if not bool(((grid >= 0) & (grid <= 1)).all()):
        raise UsageError(
            f"a mask with values from {float(grid.min())} to {float(grid.max())} came; they must lie in 0..1"
        )
    return grid
