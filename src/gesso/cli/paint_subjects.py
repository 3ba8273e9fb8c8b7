"""Subjects in the regions of a canvas: those it names, those a picture notes, and `--subject 2=cat.png`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gesso.canvas.canvas import Canvas
from gesso.canvas.edit import set_subject
from gesso.canvas.subjects import subject_of
from gesso.cli.output import note as say_beside
from gesso.core.errors import CanvasError, UsageError
from gesso.engines.canvas_files import STANDARD_INPUT
from gesso.engines.canvas_subjects import named_subjects, region_told, subject_file

if TYPE_CHECKING:
    from gesso.cli.subject_options import SubjectOptions
    from gesso.engines.paint_record import PaintRecipe, SubjectNote
    from gesso.engines.personalize import Personalizer, SeenSubject

__all__ = [
    "CastOptions",
    "RegionSubject",
    "canvas_with_names",
    "look_at_all",
    "noted_strength",
    "noted_subjects",
]

SUBJECT = "Subject"


@dataclass(frozen=True, slots=True)
class RegionSubject:
    """Who is to stand in a region.

    Attributes:
        region: its number, from 1, in the order of the program.
        noun: what the subject is called.
        reference: the picture; for what a recipe notes, the folder in which it may lie.
        note: of the recipe of a picture, whose reference must be the same.
    """

    region: int
    noun: str
    reference: Path | None
    note: "SubjectNote | None" = None


def _option(text: str, **more: Any) -> Any:
    return typer.Option(help=text, show_default=False, rich_help_panel=SUBJECT, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class CastOptions:
    """Who stands where, and where references lie."""

    subject: Annotated[
        list[str] | None,
        _option("Put this subject into a region, as 2=cat.png or 2:cat=photo.png; may be repeated, and "
                "stands above what the canvas names.", metavar="N=PICTURE"),
    ] = None  # fmt: skip
    references: Annotated[
        Path | None,
        _option("Where the references lie that a canvas or picture names [beside it].", metavar="FOLDER"),
    ] = None

    def folder(self, source: str | Path | None) -> Path | None:
        """Where references may lie: the folder that was given, else that of a file; None of anything else.

        Raises:
            UsageError: it is no folder.
        """
        if self.references is not None:
            if not self.references.expanduser().is_dir():
                raise UsageError(
                    f"references {str(self.references)!r} is no folder; give the one they lie in"
                )
            return self.references.expanduser()
        return None if source is None or str(source) == STANDARD_INPUT else Path(source).expanduser().parent

    def named(
        self, canvas: Canvas, source: str | Path | None, kept: Sequence[RegionSubject] = ()
    ) -> list[RegionSubject]:
        """The subjects of a canvas: those of `--subject`, then those kept, then those it names.

        Args:
            canvas: of a user's own file, so that its names may be looked for.
            source: that file.
            kept: of the picture that it is to change.

        Raises:
            UsageError: a file is not there, a region does not name its subject, or `--subject` is wrong.
        """
        found = {each.region: each for each in (*kept, *self._given(canvas))}
        for number, subject in named_subjects(canvas).items():
            if number not in found:
                file = subject_file(canvas, number, self.folder(source))
                found[number] = RegionSubject(number, subject.noun, file)
        return [found[number] for number in sorted(found)]

    def noted(self, recipe: "PaintRecipe", canvas: Canvas, picture: str | Path) -> list[RegionSubject]:
        """The subjects of a picture: those of `--subject`, then those that its recipe notes.

        Args:
            recipe: of the picture.
            canvas: what it is to show; it came with the picture, so its names open nothing.
            picture: its file.

        Raises:
            UsageError: the canvas names a subject that the recipe does not note, or `--subject` is wrong.
        """
        kept = noted_subjects(recipe, canvas, self.folder(picture))
        have = {each.region for each in (*kept, *self._given(canvas))}
        for number, subject in named_subjects(canvas).items():
            if number not in have:
                what = region_told(number, canvas.regions[number - 1])
                raise UsageError(f"{what} names the subject {subject.file}, and the picture was painted "
                                 f"without it; say where it is, as --subject {number}=FILE")  # fmt: skip
        return self.named(canvas, None, kept)

    def _given(self, canvas: Canvas) -> list[RegionSubject]:
        given = [_subject(text, canvas) for text in self.subject or ()]
        numbers = [each.region for each in given]
        twice = [number for number in numbers if numbers.count(number) > 1]
        if twice:
            raise UsageError(f"region {twice[0]} is given two subjects; give it one")
        return given


def noted_subjects(recipe: "PaintRecipe", canvas: Canvas, folder: Path | None) -> list[RegionSubject]:
    """The subjects of a picture whose regions a canvas still has, perhaps changed but with the same subject.

    Args:
        recipe: of the picture.
        canvas: what it is to show.
        folder: where the references may lie.
    """
    found: dict[int, RegionSubject] = {}
    for each in recipe.subjects:
        if not each.region:
            continue
        before = recipe.canvas.regions[each.region - 1]
        for number, region in enumerate(canvas.regions, 1):
            same = region == before or (region.subject is not None and region.subject == before.subject)
            if same and number not in found:
                found[number] = RegionSubject(number, each.noun, folder, each)
                break
    return list(found.values())


def canvas_with_names(canvas: Canvas, subjects: list[RegionSubject]) -> Canvas:
    """The canvas with the names of the subjects that are painted, which its picture then carries."""
    for each in subjects:
        if each.note is not None or each.reference is None:
            continue
        file = each.reference.name
        try:
            named = set_subject(canvas, each.region - 1, file)
            if _noun_of(named, each) != each.noun:
                named = set_subject(canvas, each.region - 1, f"{each.noun}={file}")
        except CanvasError:
            named = set_subject(canvas, each.region - 1, None)
            say_beside(
                f"{file} is no plain name, so whoever repaints the picture has to give --subject again"
            )
        canvas = named
    return canvas


def look_at_all(
    personalizer: "Personalizer", subjects: list[RegionSubject], look: "SubjectOptions"
) -> "list[tuple[int, SeenSubject]]":
    """Each subject's region with what was seen of it; a reference that comes twice is looked at once.

    Raises:
        MediaError: a picture cannot be read.
        UsageError: nothing stands out in it, or it is not the one that a recipe notes.
    """
    from gesso.engines.personalize_again import look_again

    seen: dict[RegionSubject, SeenSubject] = {}
    placed = []
    for each in subjects:
        key = replace(each, region=0)
        if key not in seen and each.note is not None:
            seen[key] = look_again(personalizer, each.note, each.reference)
        elif key not in seen and each.reference is not None:
            seen[key] = personalizer.look_at(look.reference(each.reference), each.noun)
        placed.append((each.region, seen[key]))
    return placed


def noted_strength(notes: Sequence["SubjectNote"], look: "SubjectOptions") -> float:
    """How much references count: as the options say, else as a recipe notes, else as is usual."""
    if notes and look.subject_strength is None and not look.texture:
        return notes[0].strength
    return look.strength()


def _noun_of(canvas: Canvas, each: RegionSubject) -> str:
    subject = subject_of(canvas.regions[each.region - 1])
    return "" if subject is None else subject.noun


def _subject(text: str, canvas: Canvas) -> RegionSubject:
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
