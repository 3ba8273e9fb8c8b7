"""Where a model's files lie: in the package, in a folder, or in the Hugging Face cache."""

from pathlib import Path

from gesso.core.errors import UnknownNameError
from gesso.engines.catalog import known, mini_folder, model_rows
from gesso.models.checkpoints import read_json, resolve_folder

__all__ = ["adapter_base", "folder_of"]


def folder_of(name: str) -> Path:
    """The folder of a model; published checkpoints are fetched unless they are in the cache.

    Args:
        name: a name of the catalogue, a folder, or a Hugging Face repository.

    Raises:
        UnknownNameError: it is none of these.
        UnsupportedError: this version of gesso does not run it.
        CheckpointError: its files are not on this machine and cannot be fetched.
    """
    row = known(name)
    if row is not None:
        row.require_runnable()
        return mini_folder(row) if row.mini else resolve_folder(row.repository)
    if "/" in name or Path(name).is_dir():
        return resolve_folder(name)
    raise UnknownNameError("model", name, [row.name for row in model_rows()])


def adapter_base(folder: Path) -> str | None:
    """The model under an adapter, as its own config names it; None if the folder holds no adapter."""
    config = folder / "adapter_config.json"
    base = read_json(config).get("base_model_name_or_path") if config.is_file() else None
    return base or None
