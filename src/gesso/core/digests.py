"""Short names for weights, by what their files hold."""

from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

__all__ = ["CHANGES", "SHARED", "content_digest", "weights_digest"]

SHARED: Final = "shared.json"
"""Says which weights a folder borrows of another, and what that one's file holds (`models.shared`)."""

CHANGES: Final = ("down", "up", "change", "largest")
"""Endings of what a borrowed weight was changed by, which is no weight of its own."""

WEIGHTS: Final = ("*.safetensors", "*.bin", "*.pth", SHARED)


def content_digest(path: Path) -> bytes:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()


def weights_digest(place: Path) -> str:
    """16 hexadecimal digits that change with any weight of a model; "" if it has no weights.

    Args:
        place: its folder, which may have one folder for each part, or its only file.
    """
    digest = sha256()
    paths = [place] if place.is_file() else sorted(p for pattern in WEIGHTS for p in place.rglob(pattern))
    for path in paths:
        # names and contents in order: two shards that change places are another model
        name = path.relative_to(place).as_posix() if path != place else path.name
        digest.update(name.encode() + content_digest(path))
    return digest.hexdigest()[:16] if paths else ""
