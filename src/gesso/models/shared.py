"""Weights that one model folder borrows from another beside it.

A mini that was trained from another one need not repeat what the other ships.
`shared.json` says what is taken from where:

    {"source": "../mini-llava/model.safetensors", "sha256": "...", "tensors": {"ours": "theirs", ...}}

Our file holds the rest, and what a borrowed weight was changed by: of low rank, `NAME.down` [r, n] and
`NAME.up` [m, r], whose product is added; of any other, `NAME.change` [m, ...] in eight bits, of whose levels
127 is `NAME.largest` [m, 1, ...], each row's own; or in four bits, two to a byte, of whose levels 7 is
`NAME.largest` [g], one for every 32 numbers; and `NAME.rows`, which stand below it.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from gesso.core.digests import CHANGES, SHARED, content_digest
from gesso.core.errors import CheckpointError, UsageError
from gesso.models.checkpoints import open_tensors, read_json, weight_files

__all__ = ["borrow", "lender_of", "read_shared"]

LAYER: Final = re.compile(r"\blayers\.\d+\.")

LEVELS: Final = 127
"""Largest level of a change in eight bits; the least is its negative."""

FEW_LEVELS: Final = 7
"""The same in four bits."""

GROUP: Final = 32
"""Numbers that share a largest level in four bits."""

CUTS: Final = (1.0, 0.9, 0.8)
"""Shares of a group's largest number that its largest level may be: finer steps are worth some cut peaks."""

CLOSE: Final = 1e-3
"""Largest rest, as a share of the largest change, at which a change still counts as of low rank."""


def read_shared(folder: Path) -> dict[str, Tensor] | None:
    """All weights of a folder, borrowed ones included; None if it borrows nothing.

    Raises:
        CheckpointError: the other folder's file is missing or another one, or a weight is in neither.
    """
    listing = folder / SHARED
    if not listing.is_file():
        return None
    said = read_json(listing)
    source = (folder / str(said.get("source"))).resolve()
    if not source.is_file() or content_digest(source).hex() != said.get("sha256"):
        raise CheckpointError(f"{listing} borrows weights of {source}, which is missing or another file; "
                              "copy both folders from one version of gesso")  # fmt: skip
    names = said.get("tensors")
    own, theirs = open_tensors(weight_files(folder)), open_tensors([source])
    if not isinstance(names, dict) or not set(names.values()) <= set(theirs):
        raise CheckpointError(f"{listing} names weights that {source} does not have; copy both folders again")
    whole: dict[str, Tensor] = {}
    for name, other in names.items():
        whole[name] = _changed(name, theirs[other], own)
    parts = {f"{name}.{kind}" for name in names for kind in (*CHANGES, "rows")}
    return whole | {name: tensor for name, tensor in own.items() if name not in parts}


def lender_of(folder: Path) -> Path | None:
    """The folder that another one borrows weights of; None if it borrows none."""
    listing = folder / SHARED
    return (folder / str(read_json(listing).get("source"))).resolve().parent if listing.is_file() else None


def borrow(folder: Path, source: Path, bits: int = 8) -> int:
    """Take out of a folder's one weight file what another file has too, and say so in `shared.json`.

    Weights are matched by their place in a layer, or else by what they hold, so their names may differ.

    Args:
        folder: a model folder with whole weights.
        source: the other folder's weight file; the two must keep their places beside one another.
        bits: of changes, 8 or 4.

    Returns:
        How many weights are borrowed.

    Raises:
        UsageError: another number of bits.
    """
    kinds = {8: _levels, 4: _few_levels}
    if bits not in kinds:
        raise UsageError(f"bits {bits} for the changes of borrowed weights; allowed: 8 and 4")
    (path,) = weight_files(folder)
    own, theirs = load_file(path), load_file(source)
    kept: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    for name, tensor in own.items():
        found = _nearest(name, tensor, theirs)
        parts = None if found is None else _parts(tensor, theirs[found], kinds[bits])
        if found is None or parts is None:
            kept[name] = tensor
            continue
        names[name] = found
        kept |= {f"{name}.{kind}": part.contiguous() for kind, part in parts.items()}
    half = {name: tensor.to(torch.float16) for name, tensor in kept.items() if tensor.is_floating_point()}
    save_file(kept | half, path, metadata={"format": "pt"})
    path.chmod(0o644)  # new files of safetensors are for their owner alone
    place = Path(os.path.relpath(source, folder)).as_posix()
    _write(folder / SHARED, {"source": place, "sha256": content_digest(source).hex(), "tensors": names})
    return len(names)


def _changed(name: str, borrowed: Tensor, own: Mapping[str, Tensor]) -> Tensor:
    """A weight as it is here; sums in float32, for halves would round the change as well."""
    down, up, change, largest, rows = (own.get(f"{name}.{kind}") for kind in (*CHANGES, "rows"))
    whole = borrowed
    if down is not None and up is not None:
        whole = (borrowed.float() + up.float() @ down.float()).to(borrowed.dtype)
    elif change is not None and largest is not None:
        restored = _restored(change, largest, borrowed.shape)
        whole = (borrowed.float() + restored).to(borrowed.dtype)
    return whole if rows is None else torch.cat([whole, rows.to(whole.dtype)])


def _nearest(name: str, tensor: Tensor, theirs: Mapping[str, Tensor]) -> str | None:
    """The other weight to begin from, of those of one shape, and of matrices of fewer rows.

    One whose place in its layer has the same name, however long training has moved it since; or else the one
    that differs least, as long as it is less than the weight itself.
    """
    options = {
        other: float(
            (tensor[: len(each)].float() - each.float()).norm() / each.float().norm().clamp_min(1e-6)
        )
        for other, each in theirs.items()
        if each.ndim == tensor.ndim and each.shape[1:] == tensor.shape[1:] and _reaches(each, tensor)
    }
    same = [other for other in options if _place(other) == _place(name)]
    best = min(same or options, key=lambda other: options[other], default=None)
    return best if best is not None and (same or options[best] < 1) else None


def _place(name: str) -> str:
    """Layer and what follows: "layers.0.mlp.up_proj.weight"; elsewhere the whole name."""
    found = LAYER.search(name)
    return name[found.start() :] if found else name


def _reaches(other: Tensor, tensor: Tensor) -> bool:
    return len(other) == len(tensor) or (tensor.ndim == 2 and len(other) < len(tensor))


def _parts(
    tensor: Tensor, other: Tensor, levels: Callable[[Tensor], dict[str, Tensor]]
) -> dict[str, Tensor] | None:
    """What must be kept beside the other weight to have this one; None if that saves little."""
    parts = {"rows": tensor[len(other) :]} if len(tensor) > len(other) else {}
    change = tensor[: len(other)].float() - other.float()
    if float(change.abs().max()) <= CLOSE * float(other.abs().max()) * 0.1:
        return parts
    if change.ndim < 2:
        return None
    return parts | (_factors(change) or levels(change))


def _factors(change: Tensor) -> dict[str, Tensor] | None:
    """A matrix [m, n] as a product; None where its levels take less."""
    if change.ndim != 2:
        return None
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    rank = int((values > CLOSE * values[0]).sum())
    if 2 * rank * sum(change.shape) >= change.numel():  # bytes of halves against bytes
        return None
    root = values[:rank].sqrt()
    # [m, r] and [r, n], the values shared between them so that neither leaves the range of halves
    return {"up": left[:, :rank] * root, "down": root[:, None] * right[:rank]}


def _levels(change: Tensor) -> dict[str, Tensor]:
    """A change [m, ...] in eight bits, by the largest of each row."""
    largest = change.abs().amax(dim=tuple(range(1, change.ndim)), keepdim=True).to(torch.float16)
    # of a row that does not change, every level is 0
    levels = (change * LEVELS / largest.float().clamp_min(1e-12)).round().clamp(-LEVELS, LEVELS)
    return {"change": levels.to(torch.int8), "largest": largest}


def _few_levels(change: Tensor) -> dict[str, Tensor]:
    """A change in four bits, by what suits each stretch of 32 numbers."""
    flat = functional.pad(change.flatten(), (0, -change.numel() % GROUP)).view(-1, GROUP)  # [g, 32]
    peaks = flat.abs().amax(dim=1).clamp_min(1e-7)  # [g]
    largest = (torch.tensor(CUTS)[:, None] * peaks).to(torch.float16)  # [cuts, g]
    steps = largest.float().clamp_min(1e-7)[..., None] / FEW_LEVELS  # [cuts, g, 1]
    levels = (flat / steps).round().clamp(-FEW_LEVELS, FEW_LEVELS)  # [cuts, g, 32]
    best = (levels * steps - flat).square().sum(-1).argmin(0), torch.arange(len(flat))
    nibbles = (levels[best] + FEW_LEVELS + 1).to(torch.uint8).flatten()
    return {"change": nibbles[::2] * 16 + nibbles[1::2], "largest": largest[best]}


def _restored(change: Tensor, largest: Tensor, shape: torch.Size) -> Tensor:
    """A change as it was, [m, ...] float32."""
    if change.dtype == torch.int8:
        return largest.float() / LEVELS * change.float()
    levels = torch.stack([change // 16, change % 16], dim=1).float() - (FEW_LEVELS + 1)  # [n/2, 2]
    # [n/2, 2] -> [g, 32] -> [n]
    flat = (levels.view(-1, GROUP) * (largest.float() / FEW_LEVELS)[:, None]).flatten()
    return flat[: shape.numel()].view(shape)


def _write(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
