"""Copy a trained model into the package: weights in float16, everything else as it is.

python scripts/ship_mini.py runs/mini/clip/final src/gesso/minis/mini-clip
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def ship(source: Path, target: Path) -> None:
    """Write `target`; a model card (README.md) that is already there stays."""
    target.mkdir(parents=True, exist_ok=True)
    weights = {key: value.to(torch.float16) for key, value in load_file(source / "model.safetensors").items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    (target / "model.safetensors").chmod(0o644)
    for path in source.iterdir():
        if path.suffix in (".json", ".jinja") and path.name != "config.json":
            shutil.copy(path, target / path.name)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    _set_dtype(config)
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _set_dtype(config: dict[str, object]) -> None:
    """Say float16 in a config and in those of its parts."""
    if "dtype" in config:
        config["dtype"] = "float16"
    for value in config.values():
        if isinstance(value, dict):
            _set_dtype(value)


if __name__ == "__main__":
    ship(Path(sys.argv[1]), Path(sys.argv[2]))
