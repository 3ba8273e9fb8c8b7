"""What a score was made with: version and commit of gesso, and which weights."""

import subprocess
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

__all__ = ["made_by", "source_commit", "weights_digest"]

WEIGHTS: Final = ("*.safetensors", "*.bin", "*.pth")


def made_by() -> dict[str, Any]:
    """Version and commit of gesso and the versions of what it computes with, as JSON values."""
    versions = {name: version(name) for name in ("gesso", "torch", "transformers")}
    return {**versions, "commit": source_commit()}


def source_commit(file: Path = Path(__file__)) -> str | None:
    """The git commit of a source file, with "+changes" where tracked files differ from it.

    None if git does not track the file, as in an installed package, or if there is no git.
    """
    # an installed package may lie inside somebody else's repository, whose commit says nothing about it
    if _git(file, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _git(file, "rev-parse", "HEAD")
    # untracked files do not count: runs and caches lie around in every working copy
    return f"{commit}+changes" if _git(file, "status", "--porcelain", "--untracked-files=no") else commit


def weights_digest(place: Path) -> str:
    """16 hexadecimal digits that change with any weight of a model; "" if it has no weights.

    Args:
        place: its folder, which may have one folder for each part, or its only file.
    """
    digest = sha256()
    paths = [place] if place.is_file() else sorted(p for pattern in WEIGHTS for p in place.rglob(pattern))
    for path in paths:
        with path.open("rb") as file:
            # names and contents in order: two shards that change places are another model
            name = path.relative_to(place).as_posix() if path != place else path.name
            digest.update(name.encode() + file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16] if paths else ""


def _git(file: Path, *arguments: str) -> str | None:
    """What git says, None if it fails or is not there."""
    try:
        # ten seconds: a status may take some on a network's disk, and no evaluation should hang on it
        done = subprocess.run(
            ["git", *arguments], cwd=file.parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
