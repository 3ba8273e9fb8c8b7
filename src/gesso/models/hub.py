"""Making gesso's classes known to transformers' Auto classes in a process that does not import gesso itself.

vLLM calls `register` in every one of its processes (entry point `vllm.general_plugins`), so that its
transformers backend finds the classes of folders that gesso saved without running code from these folders.
"""

from importlib import import_module
from typing import Final

__all__ = ["register"]

FAMILIES: Final = ("llava.modules", "mgm.export", "megrez.export")
"""Modules that register their classes when they are imported."""


def register() -> None:
    """Register the config, model and processor classes of all families."""
    for name in FAMILIES:
        import_module(f"gesso.models.{name}")
