"""gesso: multimodal models that see, listen, talk, plan and paint.

    model = gesso.load("mini-llava")
    answer = model.ask("picture.png", "What is in the picture?")
    print(answer.text)

The names below are imported when they are first used, so `import gesso` is quick and does not need torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gesso.api import Model, load
    from gesso.canvas.canvas import Canvas
    from gesso.core.errors import GessoError
    from gesso.core.messages import Audio, Image, Message, Text, Video, assistant, system, user
    from gesso.core.results import Answer, Usage
    from gesso.core.sampling import Sampling
    from gesso.engines.paint_recipe import Painting
    from gesso.engines.plan import Plan

__all__ = [
    "Answer",
    "Audio",
    "Canvas",
    "GessoError",
    "Image",
    "Message",
    "Model",
    "Painting",
    "Plan",
    "Sampling",
    "Text",
    "Usage",
    "Video",
    "__version__",
    "assistant",
    "load",
    "system",
    "user",
]

__version__ = "0.2.0"

_HOMES = {
    "gesso.api": ("Model", "load"),
    "gesso.canvas.canvas": ("Canvas",),
    "gesso.core.errors": ("GessoError",),
    "gesso.core.messages": ("Audio", "Image", "Message", "Text", "Video", "assistant", "system", "user"),
    "gesso.core.results": ("Answer", "Usage"),
    "gesso.core.sampling": ("Sampling",),
    "gesso.engines.paint_recipe": ("Painting",),
    "gesso.engines.plan": ("Plan",),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'gesso' has no attribute {name!r}")
