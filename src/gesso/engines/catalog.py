"""Every model gesso knows by name: what it is, where its weights lie, and whether this version runs it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Final

from gesso.core.digests import CHANGES, SHARED
from gesso.core.errors import CheckpointError, UnknownNameError, UnsupportedError
from gesso.engines.catalog_rows import BUILDERS, LICENCES, NEEDS, ROWS

__all__ = [
    "MINIS", "VERSION", "ModelRow", "count_parameters", "find", "known", "mini_folder", "model_rows",
]  # fmt: skip

VERSION: Final = "0.2"
"""The version of gesso that this catalogue belongs to."""

CONFIGS: Final = ("config.json", "model_index.json", "moma.json")
"""Files of a mini by one of which its weights are known to be there."""

MINIS: Final = Path(__file__).parents[1] / "minis"
"""Folder of the models that come with the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model of the catalogue.

    Attributes:
        name: what users call it: the name of its repository in small letters.
        system: the system it belongs to; the minis belong to "gesso".
        repository: the Hugging Face repository of its weights; "" for a mini, which lies in the package.
        licence: the licence of the weights, as their publisher states it.
        parameters: how many numbers it holds, towers included; 0 for a mini that is not installed.
        takes: what goes in: "text", "image", "audio".
        gives: what comes out: "text", "canvas", "image", "score".
        since: the first version of gesso that runs it.
        builder: "module:function" that loads it from a folder; "" until there is one.
        needs: further repositories it cannot run without; an adapter's base is the first.
        about: one line for a list.
    """

    name: str
    system: str
    repository: str
    licence: str
    parameters: int
    takes: tuple[str, ...]
    gives: str
    since: str
    builder: str
    needs: tuple[str, ...]
    about: str

    @property
    def mini(self) -> bool:
        """Whether the weights come with the package."""
        return not self.repository

    @property
    def runnable(self) -> bool:
        """Whether this version of gesso runs it."""
        return self.since <= VERSION and bool(self.builder)

    def memory(self, bits: int) -> float:
        """Gigabytes (10^9 bytes) of the weights alone, at this many bits each."""
        return self.parameters * bits / 8e9

    def require_runnable(self) -> None:
        """Refuse a model that this version does not run.

        Raises:
            UnsupportedError: it comes with a later version, which the message names.
        """
        if not self.runnable:
            raise UnsupportedError(f"gesso {VERSION} does not run {self.name} yet, {self.since} will; "
                                   "see `gesso models` for what runs now")  # fmt: skip


@cache
def model_rows() -> tuple[ModelRow, ...]:
    """All models: the minis first, then the published checkpoints system by system."""
    return tuple(_parsed(ROWS))


def find(name: str) -> ModelRow:
    """The model of this name or repository; letter case does not matter.

    Raises:
        UnknownNameError: there is none; the near names are listed.
    """
    row = known(name)
    if row is None:
        raise UnknownNameError("model", name, [row.name for row in model_rows()])
    return row


def known(name: str) -> ModelRow | None:
    """As `find`, but None where there is no such model."""
    wanted = name.lower()
    rows = (row for row in model_rows() if wanted in (row.name, row.repository.lower()))
    return next(rows, None) if wanted else None


def mini_folder(row: ModelRow) -> Path:
    """The folder of a mini, in the package.

    Raises:
        CheckpointError: the package came without its weights.
    """
    folder = MINIS / row.name
    if not any((folder / name).is_file() for name in CONFIGS):
        raise CheckpointError(f"the weights of {row.name} are not part of this installation ({folder}); "
                              "install a released package, or train it with `gesso train`")  # fmt: skip
    return folder


def count_parameters(folder: Path) -> int:
    """How many numbers the weights of a folder are, borrowed ones included.

    A safetensors file tells the shapes in the JSON it begins with.
    """
    # painting models keep each part in a folder of its own
    files = [*folder.glob("*.safetensors"), *folder.glob("*/*.safetensors")]
    borrowed = [*folder.glob(SHARED), *folder.glob(f"*/{SHARED}")]
    own = {(path.parent, name): count for path in files for name, count in _numbers_in(path).items()}
    total = sum(own.values())
    for listing in borrowed:
        said = json.loads(listing.read_text(encoding="utf-8"))
        theirs = _numbers_in(listing.parent / said["source"])
        for name, other in said["tensors"].items():
            # what a borrowed weight was changed by is no weight of its own
            changes = sum(own.get((listing.parent, f"{name}.{kind}"), 0) for kind in CHANGES)
            total += theirs[other] - changes
    return total


def _numbers_in(path: Path) -> dict[str, int]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return {name: prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def _parsed(text: str) -> Iterator[ModelRow]:
    section = ["", "", ""]
    for line in filter(None, text.splitlines()):
        cells = [cell.strip() for cell in line.strip("[]").split("|")]
        if line.startswith("["):
            section = cells
        else:
            yield _row(section, cells)


def _row(section: list[str], cells: list[str]) -> ModelRow:
    origin, modalities, since = section
    system, _, owner = origin.partition(" ")
    takes, _, gives = modalities.partition(" > ")
    title, licence, parameters, needs, about = cells
    name = title.lower()
    return ModelRow(
        name=name,
        system=system,
        repository=f"{owner}/{title}" if owner else "",
        licence=LICENCES[licence],
        parameters=int(parameters) if parameters else count_parameters(MINIS / name),
        takes=tuple(takes.split()),
        gives=gives,
        since=since,
        builder=BUILDERS.get(name, BUILDERS.get(system, "")),
        needs=tuple(NEEDS[need] for need in needs.split()),
        about=about,
    )
