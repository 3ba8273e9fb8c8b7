"""References on the disk: a picture of a subject, its mask, and how both are looked at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as Pictures

from gesso.media.cutout import Cutout, cut_out
from gesso.media.images import load_image, load_with_alpha
from gesso.media.subjects import Fit

__all__ = ["ReferenceFile", "read_reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFile:
    """A reference, and how it is looked at.

    Attributes:
        file: the picture.
        mask: white where the subject is; None finds it.
        cutout: how it is found where neither mask nor transparency tells it.
        fit: see `gesso.media.subjects.Fit`.
        threshold: see `prepare_reference`.
    """

    file: Path
    mask: Path | None = None
    cutout: Cutout = "contrast"
    fit: Fit = "keep"
    threshold: int = 0

    def read(self) -> tuple[Pictures.Image, Pictures.Image]:
        """Picture and mask; errors as in `read_reference`."""
        return read_reference(self.file, self.mask, self.cutout)


def read_reference(
    source: Any, mask: Any = None, cutout: Cutout = "contrast"
) -> tuple[Pictures.Image, Pictures.Image]:
    """A reference and its mask: the one that is given, else its transparency, else what is found in it.

    Args:
        source: whatever `load_image` takes.
        mask: the same; light where the subject is.
        cutout: how it is found.

    Raises:
        MediaError: a picture cannot be read.
        UsageError: nothing stands out in it.
        MissingExtraError: what is to find it is not installed.
    """
    image, alpha = load_with_alpha(source)
    if mask is not None:
        return image, load_image(mask).convert("L")
    return image, cut_out(image, cutout) if alpha is None else alpha
