"""Copy a trained model into the package: weights in float16, everything else as it is.

python scripts/ship_mini.py runs/mini/clip/final src/gesso/minis/mini-clip
python scripts/ship_mini.py runs/mini/sdxl/final src/gesso/minis/mini-sdxl vae=runs/mini/vae-decoder/final
python scripts/ship_mini.py runs/mini/omni/final src/gesso/minis/mini-omni borrow=src/gesso/minis/mini-llava
python scripts/ship_mini.py runs/mini/sd/final minis/mini-sd unet.borrow=minis/mini-sdxl/unet
python scripts/ship_mini.py runs/mini/moma/final minis/mini-moma language=runs/mini/moma-mllm/final
    language.borrow=minis/mini-llava painter=mini-sd encoder=mini-clip

With `borrow`, or `PART.borrow`, weights that the other folder ships too are left out (`gesso.models.shared`);
what they were changed by takes eight bits, or with `bits=4` four.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from gesso.models.checkpoints import weight_files
from gesso.models.moma.stage_file import MAPPING_FILE
from gesso.models.shared import borrow

COPIED = (".json", ".jinja")
TOKENIZER = "tokenizer.json"
NAMING = ("moma.json", "ip-adapter.json")
"""Settings that name other models, by the folders they were trained with."""


def ship(source: Path, target: Path, parts: dict[str, Path]) -> None:
    """Write `target` with its parts' folders; a model card (README.md) that is already there stays.

    Args:
        source: what a recipe wrote.
        target: a folder of `gesso.minis`.
        parts: folder of a part -> where it comes from instead; a model that settings name -> its name here,
            or the folder of one that comes along.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        place = target / path.name
        if path.is_dir():
            ship(parts.get(path.name, path), place, {})
        elif path.suffix == ".safetensors" and path.name != MAPPING_FILE:  # of which the adapter has its own
            halves = {key: value.to(torch.float16) for key, value in load_file(path).items()}
            save_file(halves, place, metadata={"format": "pt"})
            place.chmod(0o644)
        elif path.name == "config.json":
            config = json.loads(path.read_text(encoding="utf-8"))
            _settle(config)
            place.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        elif path.name in NAMING:
            said = json.loads(path.read_text(encoding="utf-8"))
            for key in parts.keys() & said.keys():
                if parts[key].is_dir():
                    ship(parts[key], target / key, {})
                said[key] = key if parts[key].is_dir() else parts[key].name
            place.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        elif path.name == TOKENIZER:
            # without blanks it is half as long, and merges as "a b" are shorter than as ["a", "b"]
            words = json.loads(path.read_text(encoding="utf-8"))
            merges = words["model"].get("merges", [])
            if not any(" " in piece for pair in merges for piece in pair):
                words["model"]["merges"] = [" ".join(pair) for pair in merges]
            place.write_text(json.dumps(words, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        elif path.suffix in COPIED:
            shutil.copy(path, place)


def _settle(config: dict[str, object]) -> None:
    """Say float16 in a config and in those of its parts, and not where the run lay that they are from."""
    config.pop("_name_or_path", None)
    if "dtype" in config:
        config["dtype"] = "float16"
    for value in config.values():
        if isinstance(value, dict):
            _settle(value)


def lend(source: Path, target: Path, lender: Path, bits: int) -> None:
    """Leave out of `target` what `lender`, another folder of `gesso.minis`, ships too; see `borrow`."""
    (file,) = weight_files(source)
    # before they become halves, in which a change of low rank is none any more
    shutil.copy(file, target / file.name)
    (target / file.name).chmod(0o644)
    (lent,) = weight_files(lender)
    borrow(target, lent, bits)
    _spare(target / TOKENIZER, lender / TOKENIZER)


def _spare(own: Path, other: Path) -> None:
    """Leave out a picture chat's tokenizer that the lender has, too (`models.originals.load_tokenizer`)."""
    chats = (own.parent / "processor_config.json").is_file()
    if chats and own.is_file() and other.is_file() and own.read_bytes() == other.read_bytes():
        own.unlink()


if __name__ == "__main__":
    options = dict(each.split("=", 1) for each in sys.argv[3:])
    depth = int(options.pop("bits", 8))
    named = {name: Path(value) for name, value in options.items()}
    lenders = {name: named.pop(name) for name in list(named) if name.split(".")[-1] == "borrow"}
    start, end = Path(sys.argv[1]), Path(sys.argv[2])
    ship(start, end, named)
    for name, lender in lenders.items():
        part = Path(*name.split(".")[:-1])
        lend(named.get(str(part), start / part), end / part, lender, depth)
