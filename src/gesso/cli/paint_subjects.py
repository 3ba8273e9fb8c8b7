"""`gesso paint CANVAS --subject 2=cat.png`: reference subjects in the regions of a canvas."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.core.errors import UsageError

if TYPE_CHECKING:
    from gesso.canvas.canvas import Canvas
    from gesso.cli.subject_options import SubjectOptions
    from gesso.engines.personalize import Personalizer, SeenSubject

__all__ = ["RegionSubject", "look_at_all", "read_subjects"]


@dataclass(frozen=True, slots=True)
class RegionSubject:
    """Who is to stand in a region: its number from 1, what it is called, and the reference."""

    region: int
    noun: str
    reference: Path


def read_subjects(given: list[str], canvas: "Canvas") -> list[RegionSubject]:
    """Subjects as they are given: N=PICTURE, or N:NOUN=PICTURE.

    Without a noun, the file's name is it, if the region's description says so, too.

    Raises:
        UsageError: it is written otherwise, the canvas has no such region, or there is no noun.
    """
    return [_subject(text, canvas) for text in given]


def look_at_all(
    personalizer: "Personalizer", subjects: list[RegionSubject], look: "SubjectOptions"
) -> "list[tuple[int, SeenSubject]]":
    """Each subject's region with what was seen of it; a reference that comes twice is looked at once."""
    from gesso.cli.subject_options import read_reference

    seen: dict[tuple[Path, str], SeenSubject] = {}
    for each in subjects:
        key = (each.reference, each.noun)
        if key not in seen:
            image, mask = read_reference(each.reference, None, look.cutout)
            seen[key] = personalizer.look(image, mask, each.noun, fit=look.fit, threshold=look.threshold)
    return [(each.region, seen[each.reference, each.noun]) for each in subjects]


def _subject(text: str, canvas: "Canvas") -> RegionSubject:
    found = re.fullmatch(r"(\d{1,4})(?::([^=]+))?=(.+)", text)
    if found is None:
        raise UsageError(
            f"subject {text!r}; write the region's number and a picture, as 2=cat.png or 2:cat=photo.png"
        )
    number, noun, place = int(found[1]), found[2], Path(found[3]).expanduser()
    if not 1 <= number <= len(canvas.regions):
        raise UsageError(
            f"subject {text!r} is for region {number}, and the canvas has {len(canvas.regions)}; "
            "count from 1, in the order of the program"
        )
    description = canvas.regions[number - 1].description
    if noun is None:
        noun = place.stem.replace("_", " ").replace("-", " ")
        if noun.lower() not in description.lower():
            raise UsageError(
                f"what is in {place} as region {number}, {description!r}, calls it? write it before the "
                f"picture, as {number}:cat={place}"
            )
    return RegionSubject(number, noun.strip(), place)
