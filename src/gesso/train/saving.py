"""Writing what a recipe trained, adapters merged."""

from pathlib import Path
from typing import Any

from gesso.models.picture_chat import PictureChat
from gesso.train.lora import merged_state

__all__ = ["save_chat"]


def save_chat(chat: PictureChat[Any], folder: Path) -> None:
    """A folder that `gesso.load` reads; adapters are added into the weights they lie on."""
    module = chat.module
    chat.save_pretrained(folder, state=merged_state(module) if hasattr(module, "peft_config") else None)
