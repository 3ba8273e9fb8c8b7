"""Canvas programs in the published notation, written so that reading them gives back the same values.

Source: the classes of Omost's system prompt (lllyasviel/Omost at 731e749, `chat_system_prompt.py`).
"""

from collections.abc import Mapping
from math import inf
from typing import Final

from gesso.canvas.parts import GlobalDescription, Region

__all__ = ["BEGIN", "COLOUR", "GLOBAL", "LOCAL", "SUBJECT", "fenced_block", "global_call", "local_call"]

BEGIN: Final = "canvas = Canvas()"
COLOUR: Final = "HTML_web_color_name"
GLOBAL: Final = ("description", "detailed_descriptions", "tags", COLOUR)
"""Arguments of `set_global_description`, in order."""

LOCAL: Final = (
    "location", "offset", "area", "distance_to_viewer", "description", "detailed_descriptions", "tags",
    "atmosphere", "style", "quality_meta", COLOUR,
)  # fmt: skip
"""Arguments of `add_local_description`, in order."""

SUBJECT: Final = "subject"
"""An argument of `add_local_description` that gesso adds to the notation; by name, and not required."""


def fenced_block(program: str) -> str:
    """A program, which ends its last line, as a block of a reply."""
    return f"```python\n{program}```"


def global_call(background: GlobalDescription) -> str:
    """The statement that describes the whole picture."""
    return _call("set_global_description", background.to_dict())


def local_call(region: Region) -> str:
    """The statement that adds a region, with its subject if it has one; its setting is not part of it."""
    values = region.to_dict() | {"distance_to_viewer": region.distance_to_viewer}
    return _call("add_local_description", {name: values[name] for name in values if name != "setting"})


def _call(method: str, values: Mapping[str, object]) -> str:
    written = [
        f"    {COLOUR if name == 'colour' else name}={_literal(value)}," for name, value in values.items()
    ]
    return "\n".join([f"canvas.{method}(", *written, ")"])


def _literal(value: object) -> str:
    return "1e999" if value == inf else repr(value)  # which is how Python reads infinity
