"""Which file a canvas's subject is: the only place where a name in a canvas becomes a picture on the disk.

A canvas is data from a model or another person, so its names open nothing by themselves. They are looked
for in one folder, which the user has named: that of the canvas file, or of the picture to be repainted, or
another one. See docs/decisions/0012-names-in-a-canvas-open-nothing.md.
"""

from pathlib import Path

from gesso.canvas.canvas import Canvas
from gesso.canvas.checks import check_subject
from gesso.canvas.parts import Region
from gesso.canvas.subjects import NamedSubject, subject_of
from gesso.core.errors import CanvasError, UsageError

__all__ = ["find_reference", "named_subjects", "region_told", "subject_file", "subject_problems"]


def named_subjects(canvas: Canvas) -> dict[int, NamedSubject]:
    """Number of a region, counted from 1 in the order of the program -> its subject."""
    found = ((number, subject_of(region)) for number, region in enumerate(canvas.regions, 1))
    return {number: subject for number, subject in found if subject is not None}


def find_reference(name: str, folder: Path | None, what: str) -> Path:
    """The file that a plain name stands for.

    Args:
        name: as `NamedSubject.file`.
        folder: where it may lie; None where the user has named none, as with standard input.
        what: for messages: who asks for it.

    Raises:
        UsageError: there is no folder to look in, no such file in it, or one that lies elsewhere after all.
    """
    try:
        check_subject(what, name)
    except CanvasError as error:
        raise UsageError(str(error)) from None
    how = "say where it is, as --subject N=FILE, or --references FOLDER"
    if folder is None:
        raise UsageError(f"{what} is {name}, and there is no folder to look for it in; {how}")
    file = folder / name
    if not file.is_file():
        raise UsageError(f"{what} is {name}, which is not in {folder}; put it there, or {how}")
    # a link could lead out of the folder
    if file.resolve().parent != folder.resolve():
        raise UsageError(f"{what} is {name}, which in {folder} is a link to elsewhere; {how}")
    return file


def subject_file(canvas: Canvas, number: int, folder: Path | None) -> Path:
    """The reference of a region that names a subject, and says what it is called.

    Args:
        canvas: of a user's own file.
        number: of the region, counted from 1 in the order of the program.
        folder: where its references may lie; see `find_reference`.

    Raises:
        UsageError: the file is not there, or the region's description does not call the subject by its noun.
    """
    region = canvas.regions[number - 1]
    subject, what = named_subjects(canvas)[number], region_told(number, region)
    file = find_reference(subject.file, folder, f"the subject of {what}")
    if not subject.named_by(region.description):
        raise UsageError(
            f"{what} does not say {subject.noun!r}, as its subject {subject.file} is called; name it there, "
            f"or write the noun before the file, as cat={subject.file}"
        )
    return file


def subject_problems(canvas: Canvas, folder: Path | None) -> list[str]:
    """Why subjects of a canvas could not be painted: files that are not there, nouns that are not said."""
    problems = []
    for number in named_subjects(canvas):
        try:
            subject_file(canvas, number, folder)
        except UsageError as error:
            problems.append(str(error))
    return problems


def region_told(number: int, region: Region) -> str:
    """A region in words for messages; its number counts in the order of the program."""
    return f"region {number} of the program ({region.description!r})"
