"""Tables from names to things that are imported only when asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from gesso.core.errors import UnknownNameError

__all__ = ["LazyTable", "import_target"]


def import_target(target: str) -> Any:
    """Import "package.module:name" and return what it names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


class LazyTable(Mapping[str, Any]):
    """A read-only mapping from names to "module:attribute" texts, imported on use.

    Args:
        what: the noun for error messages, such as "task".
        targets: name -> "module:attribute".
    """

    def __init__(self, what: str, targets: Mapping[str, str]) -> None:
        self._what = what
        self._targets = dict(targets)

    def __getitem__(self, name: str) -> Any:
        """The thing behind a name.

        Raises:
            UnknownNameError: nothing has this name; the near ones are listed.
        """
        if name not in self._targets:
            raise UnknownNameError(self._what, name, self._targets)
        return import_target(self._targets[name])

    def __contains__(self, name: object) -> bool:
        """Whether something has this name; nothing is imported to tell."""
        # Mapping's own test would call __getitem__, which imports, and wait for a KeyError
        return name in self._targets

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(sorted(self._targets))

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._targets)
