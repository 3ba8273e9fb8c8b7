"""A planner for tests of commands, in place of one that would have to be loaded."""

import pytest

from engines.planning import FakeWriter
from gesso.api import Model
from gesso.engines.options import LoadOptions
from gesso.engines.plan import Planner, PlanSettings


def put_planner(
    monkeypatch: pytest.MonkeyPatch, module: str, *replies: str, settings: PlanSettings | None = None
) -> FakeWriter:
    """Let a module of the command line load a planner that gives these replies; what it is asked is kept."""
    writer = FakeWriter(*replies)

    def load(name: str, options: LoadOptions) -> Model:
        return Model(name, Planner(writer, settings or PlanSettings(system=None, repairs=1)))

    monkeypatch.setattr(f"{module}.load_model", load)
    return writer
