"""A tiny Megrez in the published form, made of a fixture's weights and tokenizer, written to disk."""

import json
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image as Pictures
from transformers import PreTrainedTokenizerFast

from gesso.models.megrez.convert import load_megrez
from gesso.models.megrez.model import MegrezChat

CASE = Path(__file__).parents[2] / "fixtures" / "megrez" / "compose-a"
DESCRIPTION: dict[str, Any] = json.loads((CASE / "case.json").read_text(encoding="utf-8"))
CONFIG: dict[str, Any] = {**DESCRIPTION["config"], "model_type": "megrezo", "architectures": ["MegrezO"]}
PREPROCESSOR: dict[str, Any] = {**DESCRIPTION["image_processor"], "unk": "<|unk|>", "sampling_rate": 16000}
PICTURE = Pictures.linear_gradient("L").resize((100, 70)).convert("RGB")


def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_file=str(CASE / "tokenizer.json"), eos_token="<|turn_end|>", pad_token="<|pad|>"
    )


def write(folder: Path, **changes: Any) -> Path:
    """A published folder, with changes to its config.json."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    shutil.copyfile(CASE / "weights.safetensors", folder / "model.safetensors")
    tokenizer().save_pretrained(folder)
    return folder


def chat(folder: Path) -> MegrezChat:
    made = load_megrez(write(folder), dtype=torch.float32)
    made.module.eval()
    return made


def sound(seconds: float, pitch: float = 300) -> np.ndarray:
    places = np.arange(int(seconds * 16_000)) / 16_000
    return (0.3 * np.sin(2 * np.pi * pitch * places)).astype(np.float32)


def wav(seconds: float) -> bytes:
    file = BytesIO()
    soundfile.write(file, sound(seconds), 16_000, format="WAV")
    return file.getvalue()
