"""Models in memory: loaded on first use, shared by those who ask for the same, the oldest dropped."""

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import torch

from gesso.core.errors import UsageError
from gesso.core.registry import import_target
from gesso.engines.builders import builder_for, device_of, is_small
from gesso.engines.catalog import known
from gesso.engines.chat import Chat
from gesso.engines.folders import folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.plan import Planner
from gesso.models.clip import ClipEncoder
from gesso.models.moma.adapter_file import has_adapter
from gesso.models.moma.ip_adapter_file import has_ip_adapter

if TYPE_CHECKING:  # needs diffusers, which is an extra and slow to import
    from gesso.engines.paint import PaintEngine
    from gesso.engines.personalize import Personalizer

__all__ = ["Engine", "Pool", "load_engine"]

Engine: TypeAlias = "Chat | ClipEncoder | PaintEngine | Personalizer | Planner"

PAINTER: Final = "gesso.engines.paint_build:build_painter"
"""What loads diffusers folders and single files, which the catalogue does not know."""

SUBJECTS: Final = "gesso.engines.personalize_build:build_personalizer"
"""What loads folders with a MoMA adapter or an IP-Adapter."""


def load_engine(name: str, options: LoadOptions) -> Engine:
    """Load a model by catalogue name, folder, .safetensors file or Hugging Face repository.

    Raises:
        UnknownNameError: nothing has this name.
        UnsupportedError: this version of gesso does not run it.
        CheckpointError: its files are missing, damaged or do not fit.
        MissingExtraError: it needs a package that is not installed.
    """
    file = Path(name)
    place = file if file.suffix == ".safetensors" and file.is_file() else folder_of(name)
    row = known(name)
    paints = place.is_file() or (place / "model_index.json").is_file()
    subjects = has_adapter(place) or has_ip_adapter(place)
    others = PAINTER if paints else SUBJECTS if subjects else ""
    target = row.builder if row is not None else others or builder_for(place)
    threads = options.threads
    # matrices this small are done before a second thread has begun; painters see to it themselves
    if threads is None and not paints and is_small(place) and device_of(options).type == "cpu":
        threads = 1
    if threads is not None:
        torch.set_num_threads(threads)
    engine: Engine = import_target(target)(place, options)
    return engine


class Pool:
    """Loaded models, at most `limit` at a time; the one that was used longest ago makes room.

    Args:
        limit: how many models are held.

    Raises:
        UsageError: a limit below 1 leaves room for none.
    """

    def __init__(self, limit: int = 2) -> None:
        if limit < 1:
            raise UsageError(f"limit is {limit}; a pool holds at least 1 model")
        self._limit = limit
        self._held: OrderedDict[tuple[str, LoadOptions], Engine] = OrderedDict()

    def get(self, name: str, options: LoadOptions | None = None) -> Engine:
        """A model, loaded if it is not held yet; errors as in `load_engine`."""
        # with its options: the same weights in another dtype are another model
        key = (name, options or LoadOptions())
        if key not in self._held:
            while len(self._held) >= self._limit:
                self._held.popitem(last=False)  # before loading: there may be no room for both
            self._held[key] = load_engine(*key)
        self._held.move_to_end(key)
        return self._held[key]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models held, the longest unused first."""
        return tuple(name for name, _ in self._held)
