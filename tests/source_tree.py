"""The modules of gesso as files, for tests about the whole tree."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


@cache
def module_files() -> dict[str, Path]:
    """Module name -> file, sorted by name."""
    paths = sorted((SOURCE / "gesso").rglob("*.py"))
    return {_name(path): path for path in paths}


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def in_folder(folder: str) -> Iterator[str]:
    """The modules of one folder of the package."""
    return (name for name in module_files() if f"{name}.".startswith(f"gesso.{folder}."))
