"""Subjects of regions: the name by which a canvas asks for a reference picture, and nothing of the picture.

A canvas may come from a model or from another person, so it holds a plain file name and never a path, and
nothing here opens it; `gesso.engines.canvas_subjects` says where such a name may be looked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.diff import pair_regions
from gesso.canvas.parts import Region

__all__ = ["NamedSubject", "keep_subjects", "subject_of", "with_subjects", "without_subjects"]

_STEM: Final = re.compile(r"[_\-\s]+")


@dataclass(frozen=True, slots=True)
class NamedSubject:
    """What a region says about its subject.

    Attributes:
        file: name of the reference picture, without a folder.
        noun: what the subject is called.
    """

    file: str
    noun: str

    def named_by(self, description: str) -> bool:
        """Whether a description contains the noun, word for word in any order."""
        told = description.lower()
        return all(word in told for word in self.noun.lower().split())


def subject_of(region: Region) -> NamedSubject | None:
    """The subject of a region: of "cat=photo.png" the noun is "cat"; of "black_cat.png" it is "black cat"."""
    if region.subject is None:
        return None
    noun, _, file = region.subject.rpartition("=")
    return NamedSubject(file, (noun or _STEM.sub(" ", file.rpartition(".")[0])).strip())


def with_subjects(canvas: Canvas, subjects: Sequence[str | None]) -> Canvas:
    """A canvas whose regions have these subjects, one for each in their order."""
    pairs = zip(canvas.regions, subjects, strict=True)
    return replace(canvas, regions=tuple(replace(region, subject=subject) for region, subject in pairs))


def without_subjects(canvas: Canvas) -> Canvas:
    """A canvas in words alone, as planners are shown it."""
    return with_subjects(canvas, [None] * len(canvas.regions))


def keep_subjects(old: Canvas, new: Canvas) -> tuple[Canvas, tuple[str, ...]]:
    """Give the regions of an edited canvas the subjects that they had.

    Planners neither see nor write subjects, so after an edit each returns to the region it was in, if that is
    still there and still calls it by its noun.

    Args:
        old: the canvas before, with its subjects.
        new: the same edited; its own subjects, if any, stay.

    Returns:
        the edited canvas, and the subjects that have no region any more.
    """
    pairs = pair_regions(without_subjects(old).regions, without_subjects(new).regions)
    kept = [region.subject for region in new.regions]
    lost = [region.subject for region in old.regions]
    for number, before in enumerate(pairs):
        if before is None or kept[number] is not None:
            continue
        subject = subject_of(old.regions[before])
        if subject is not None and subject.named_by(new.regions[number].description):
            kept[number], lost[before] = old.regions[before].subject, None
    return with_subjects(new, kept), tuple(name for name in lost if name is not None)
