"""What a score was made with: version and commit of gesso, and the versions of what it computes with."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["made_by", "source_commit"]


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
