"""Reading published checkpoints: files to tensors, original key names to ours, every key accounted for.

A family declares a table of `KeyRule`s. Loading then goes in steps, each of which refuses what it cannot
explain: `open_tensors` finds and maps the files, `rename_keys` translates or knowingly drops each key,
`check_complete` compares names and shapes with the model, `fill` makes the model from them.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from gesso.core.errors import CheckpointError

__all__ = [
    "DAMAGE",
    "KeyRule",
    "check_complete",
    "fill",
    "open_tensors",
    "read_json",
    "rename_keys",
    "resolve_folder",
    "weight_files",
]

# transformers writes model.safetensors and pytorch_model.bin; converted checkpoints mix stem and ending
WEIGHT_STEMS: Final = ("model", "pytorch_model", "diffusion_pytorch_model")
DAMAGE: Final = (OSError, RuntimeError, ValueError, LookupError, EOFError)
"""What torch raises on damaged files."""

SHOWN: Final = 5
"""Keys that an error message names; the rest is counted."""


class KeyRule(NamedTuple):
    """How keys of a file become names of a model.

    Attributes:
        pattern: a regular expression that matches whole keys.
        target: the model's name, with groups as in `re.sub`; None drops the key, knowingly.
    """

    pattern: str
    target: str | None


def resolve_folder(name: str | Path, *, beside: Path | None = None) -> Path:
    """The folder of a checkpoint: a path, a path beside another checkpoint, or a repository of the Hub.

    Repositories come from the local cache, or are downloaded if the Hub can be reached.

    Raises:
        CheckpointError: there is neither such a folder nor such a repository.
    """
    # a checkpoint may name its tower by a path relative to itself
    for candidate in [Path(name).expanduser(), *([beside / name] if beside else [])]:
        if candidate.is_dir():
            return candidate
    try:
        # neither code nor training states: optimizer files are several times the size of the weights
        patterns = ["*.json", "*.txt", "*.jinja", "*.model", "*.safetensors", "*.bin"]
        return Path(snapshot_download(str(name), allow_patterns=patterns))
    except (HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError) as error:
        raise CheckpointError(
            f"{name} is neither a folder nor a repository that can be reached; "
            "give the path of a folder, or download the repository first"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: the file is missing, or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last: brackets nested by the thousand
        raise CheckpointError(f"cannot read {path}: {error}; fetch it again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}; it must hold a JSON object")
    return value


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a folder: safetensors before .bin, sharded or not; empty if there are none.

    Raises:
        CheckpointError: an index is damaged, or names a shard that is not there.
    """
    for stem, ending in ((s, e) for e in ("safetensors", "bin") for s in WEIGHT_STEMS):
        index = folder / f"{stem}.{ending}.index.json"
        if index.is_file():
            return _shards(index)
        if (folder / f"{stem}.{ending}").is_file():
            return [folder / f"{stem}.{ending}"]
    return []


def open_tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """The tensors of safetensors and .bin files, mapped from disk rather than read where possible.

    Pickled files are read with `weights_only`, so nothing in them is run.

    Raises:
        CheckpointError: a file is damaged, holds other things than tensors, or repeats a key.
    """
    tensors: dict[str, Tensor] = {}
    for path in files:
        for key, tensor in _read_file(path):
            if key in tensors:
                raise CheckpointError(f"{path} repeats key {key}; remove one of the shards that hold it")
            tensors[key] = tensor
    return tensors


def rename_keys(keys: Iterable[str], rules: Sequence[KeyRule]) -> dict[str, str]:
    """Our name of each key that the rules keep; the first rule that matches decides.

    Raises:
        CheckpointError: no rule knows a key, or two keys get the same name.
    """
    # rules are few, keys up to thousands
    compiled = [(re.compile(rule.pattern), rule.target) for rule in rules]
    names: dict[str, str] = {}
    unknown: list[str] = []
    for key in keys:
        found = next(((match, target) for p, target in compiled if (match := p.fullmatch(key))), None)
        if found is None:
            unknown.append(key)
        elif found[1] is not None:
            names[key] = found[0].expand(found[1])
    if unknown:
        raise CheckpointError(f"the checkpoint has keys this model has no place for: {_some(unknown)}")
    if len(set(names.values())) < len(names):
        twice = sorted(name for name in set(names.values()) if list(names.values()).count(name) > 1)
        raise CheckpointError(f"several keys of the checkpoint are the same weight: {_some(twice)}")
    return names


def check_complete(found: Mapping[str, Sequence[int]], module: nn.Module) -> None:
    """Compare names and shapes with a module's (which may be on the meta device).

    Raises:
        CheckpointError: a weight is missing, unexpected, or of another shape.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    # a tied weight may be written once: tied names the one that stands in for it
    tied = getattr(module, "all_tied_weights_keys", {})
    missing = sorted(name for name in set(wanted) - set(found) if tied.get(name) not in found)
    unexpected = sorted(set(found) - set(wanted))
    differing = [
        f"{name} ({list(found[name])} in the file, {list(wanted[name])} in the model)"
        for name in sorted(set(found) & set(wanted))
        if tuple(found[name]) != wanted[name]
    ]
    problems = [
        f"{what}: {_some(names)}"
        for what, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", differing),
        )
        if names
    ]
    if problems:
        raise CheckpointError(f"weights do not fit {type(module).__name__}: {'; '.join(problems)}")


def fill(
    model_class: type[PreTrainedModel],
    config: PreTrainedConfig,
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype,
) -> PreTrainedModel:
    """A model made of these tensors, on the CPU, ready for inference.

    Raises:
        CheckpointError: see `check_complete`.
    """
    with torch.device("meta"):
        check_complete({name: tensor.shape for name, tensor in tensors.items()}, model_class(config))
    # not load_state_dict: from_pretrained also ties weights, casts, and computes buffers no file holds
    model: PreTrainedModel = model_class.from_pretrained(
        None, config=config, state_dict=dict(tensors), dtype=dtype
    )
    return model


def _read_file(path: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                # a list: tensors are views of the mapped file, which is closed when the reader is left
                yield from [(key, file.get_tensor(key)) for key in file.keys()]  # noqa: SIM118
            return
        # files of torch before 1.6 are no zip archives and cannot be mapped
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (*DAMAGE, SafetensorError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    # trainers' checkpoints hold optimizer and weights side by side, in dictionaries of their own
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise CheckpointError(f"{path} does not hold tensors by name; a state dict is needed")
    yield from loaded.items()


def _shards(index: Path) -> list[Path]:
    """The files that an index names."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise CheckpointError(f"{index} has no weight_map from keys to files; fetch it again")
    # a shard holds many keys, so its name comes up many times
    shards = [index.parent / name for name in sorted(set(places.values()))]
    absent = [path.name for path in shards if not path.is_file()]
    if absent:
        raise CheckpointError(f"{index} names files that are not there: {_some(absent)}; fetch them again")
    return shards


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
