"""What models that paint given subjects learn from: references with masks, and the pictures to paint.

A folder of users' own pictures is a JSONL file; each line has "image", "mask" (white where the subject is),
"label" (what it is) and "caption" (the whole picture, with the label in it). With "reference" and
"reference_mask" the subject is known from another picture, else from the same one. Paths are relative to the
file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from gesso.config.schema import DataSettings
from gesso.core.errors import ConfigError, TrainingError
from gesso.media.images import load_image
from gesso.media.subjects import Reference
from gesso.storybook.draw import draw_with_map
from gesso.storybook.subjects import SubjectPair, subject_pair

__all__ = ["StorybookSubjects", "SubjectExample", "SubjectFile", "SubjectSource", "subject_source"]

NEEDED: Final = ("image", "mask", "label", "caption")
PAIRED: Final = ("reference", "reference_mask")
BILINEAR: Final = Pictures.Resampling.BILINEAR


class SubjectExample(NamedTuple):
    """A reference and the picture to paint, both squares of one size, with the words for it."""

    reference: Reference
    target: Pictures.Image
    target_mask: NDArray[np.bool_]
    noun: str
    prompt: str


class SubjectSource(Protocol):
    """Where examples come from."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def example(self, index: int) -> SubjectExample:
        """One of them, the same every time."""
        ...


class StorybookSubjects:
    """Subject pairs of the storybook's training split, drawn when they are asked for."""

    def __init__(self, data: DataSettings) -> None:
        self.count = data.count
        self._seed, self._size = data.seed, data.size

    def pair(self, index: int) -> SubjectPair:
        """The scenes of an example."""
        return subject_pair("train", self._seed, index)

    def example(self, index: int) -> SubjectExample:
        """See `SubjectSource`."""
        pair = self.pair(index)
        known, known_map = draw_with_map(pair.reference, self._size)
        wanted, wanted_map = draw_with_map(pair.target, self._size)
        reference = Reference(known, known_map > 0)
        return SubjectExample(reference, wanted, wanted_map > 0, pair.noun, pair.prompt)


class SubjectFile:
    """A JSONL file of pictures with masks, labels and captions.

    Raises:
        TrainingError: the file is missing or empty, or a line lacks something; its number is told.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._folder, self._size = path.parent, size
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise TrainingError(f"cannot read {path}: {error}") from error
        numbered = [(n, line) for n, line in enumerate(lines, start=1) if line.strip()]
        self._rows = [_row(path, number, line) for number, line in numbered]
        if not self._rows:
            raise TrainingError(f"{path} has no lines; give one JSON object for each picture")
        self.count = len(self._rows)

    def example(self, index: int) -> SubjectExample:
        """See `SubjectSource`."""
        row = self._rows[index]
        target, mask = self._square(row["image"]), self._mask(row["mask"])
        reference = Reference(target, mask)
        if "reference" in row:
            reference = Reference(self._square(row["reference"]), self._mask(row["reference_mask"]))
        for each, name in ((mask, "mask"), (reference.mask, "reference_mask")):
            if not each.any():
                raise TrainingError(
                    f"the mask of {row.get(name, row['mask'])} is empty; make the subject white"
                )
        return SubjectExample(reference, target, mask, row["label"], row["caption"])

    def _square(self, name: str) -> Pictures.Image:
        return load_image(self._folder / name).resize((self._size, self._size), BILINEAR)

    def _mask(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(self._square(name).convert("L")) > 127


def subject_source(data: DataSettings) -> SubjectSource:
    """The examples a recipe names."""
    if data.source == "storybook":
        return StorybookSubjects(data)
    if data.path is None:
        raise ConfigError("data.source subjects needs data.path (a JSONL file)")
    return SubjectFile(Path(data.path), data.size)


def _row(path: Path, number: int, line: str) -> Mapping[str, str]:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise TrainingError(f"{path}, line {number}: no JSON, {error}") from error
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise TrainingError(f"{path}, line {number}: an object of texts is needed")
    lacking = [name for name in NEEDED if name not in row]
    unknown = sorted(set(row) - {*NEEDED, *PAIRED})
    if lacking or unknown or len(set(PAIRED) & set(row)) == 1:
        raise TrainingError(
            f"{path}, line {number} lacks {', '.join(lacking) or 'nothing'} and has "
            f"{', '.join(unknown) or 'nothing'} besides; a line has {', '.join(NEEDED)}, and may have both "
            f"{' and '.join(PAIRED)}"
        )
    if row["label"].lower() not in row["caption"].lower():
        raise TrainingError(f"{path}, line {number}: the caption does not contain the label {row['label']!r}")
    found: Mapping[str, str] = row
    return found
