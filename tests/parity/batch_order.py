"""Checks of the order of training examples against the originals'."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from gesso.train.conversations import LlavaJson
from gesso.train.grouping import even_shares, length_order, modality_order

__all__ = ["CHECKS"]


def check_llava(case: Path) -> None:
    """Orders by modality and length; the originals shuffle within a modality by torch's own generator."""
    expected = json.loads((case / "expected.json").read_text("utf-8"))
    for row in expected["sampler"]:
        _check_orders(row, row["world_size"], row["torch_manual_seed"], row["generator_seed"],
                      ("order_group_by_modality", "order_length_only"))  # fmt: skip
    for row in expected["split_to_even_chunks"]:
        assert even_shares(row["indices"], row["lengths"], row["num_chunks"]) == row["chunks"]


def check_mgm(case: Path) -> None:
    """The same, and the lengths of records."""
    expected = json.loads((case / "expected.json").read_text("utf-8"))
    for row in expected["grouping"]:
        sized = {**row, "sizes": [abs(length) for length in row["lengths"]]}
        _check_orders(sized, row["world_size_times_accumulation"], row["torch_seed"], None,
                      ("modality_grouped", "length_grouped"))  # fmt: skip
    for row in expected["even_chunks"]:
        assert even_shares(row["indices"], row["lengths"], row["num_chunks"]) == row["out"]
    records = expected["record_lengths"]
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(records["records"], file)
        file.flush()
        assert LlavaJson(Path(file.name), case).lengths == records["modality_lengths"]


def _check_orders(
    row: Mapping[str, Any], processes: int, seed: int, own: int | None, names: tuple[str, str]
) -> None:
    for name, order in zip(names, (modality_order, length_order), strict=True):
        torch.manual_seed(seed)
        generator = None if own is None else torch.Generator().manual_seed(own)
        generators = (None, generator) if order is modality_order else (generator,)
        lengths = row["lengths"] if order is modality_order else row.get("sizes", row["lengths"])
        found = order(lengths, row["batch_size"], processes, *generators)
        assert found == row[name], name


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "llava/batch-order": check_llava,
    "mgm/batch-order": check_mgm,
}
