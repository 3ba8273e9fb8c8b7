"""Files of painting models: JSON, tensors, tokenizers. Everything is read from disk, nothing is fetched."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError

__all__ = [
    "TensorFile",
    "read_object",
    "read_tensors",
    "read_tokenizer",
    "reading",
    "require_complete",
    "require_filled",
    "some",
]

SHOWN = 5
"""Keys that an error message names; the rest is counted."""


class TensorFile(NamedTuple):
    """Tensors by key, mapped from disk, and the texts in the file's header."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_tensors(path: Path) -> TensorFile:
    """A safetensors file.

    Raises:
        CheckpointError: the file is missing, damaged, or of another kind.
    """
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path} is no .safetensors file; files that hold pickled Python are not read, convert it first"
        )
    with reading(path), safe_open(path, framework="pt") as file:
        return TensorFile({key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {})  # noqa: SIM118


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: the file is missing, or holds no JSON object.
    """
    with reading(path):
        value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}; it must hold a JSON object")
    return value


def read_tokenizer(folder: Path, **changes: str) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder.

    Args:
        folder: holds vocab.json and merges.txt, or tokenizer.json.
        changes: special tokens to use instead of the folder's, such as pad_token="!".

    Raises:
        CheckpointError: it cannot be read.
    """
    with reading(folder):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, **changes
        )
    return tokenizer


def require_filled(module: nn.Module, source: Path) -> None:
    """Refuse a model that some weights were missing for; diffusers leaves those without numbers.

    Raises:
        CheckpointError: names what is missing.
    """
    missing = [name for name, tensor in module.state_dict().items() if tensor.is_meta]
    if missing:
        raise CheckpointError(
            f"{source} lacks weights of {type(module).__name__}: {some(missing)}; fetch it again"
        )


def require_complete(source: Path, info: Mapping[str, Any]) -> None:
    """Refuse what a library loaded with keys missing, left over or of another shape.

    Raises:
        CheckpointError: names the keys.
    """
    kinds = ("missing_keys", "unexpected_keys", "mismatched_keys")
    problems = {name.removesuffix("_keys"): sorted(map(str, info[name])) for name in kinds}
    found = [f"{name}: {some(keys)}" for name, keys in problems.items() if keys]
    if found:
        raise CheckpointError(f"weights in {source} do not fit its config: {'; '.join(found)}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, as one kind of error that names the file."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, LookupError, EOFError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
