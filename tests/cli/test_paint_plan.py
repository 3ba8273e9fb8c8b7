import pytest
import torch

from cli.planners import put_planner
from engines.planning import canvas, program
from gesso.cli import plan
from gesso.cli.paint_plan import WishOptions
from gesso.core.errors import UsageError
from gesso.engines.options import LoadOptions


def test_a_wish_becomes_a_canvas_and_threads_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    put_planner(monkeypatch, "gesso.cli.plan", program("red fish"))
    load, asked = plan.load_model, []

    def load_small(name: str, options: LoadOptions) -> object:
        asked.append((name, options))
        torch.set_num_threads(1)
        return load(name, options)

    monkeypatch.setattr(plan, "load_model", load_small)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        options = LoadOptions(dtype="float32")
        assert WishOptions(planner_name="ours").plan("a fish", None, options) == canvas("red fish")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert asked == [("ours", options)]


def test_a_server_s_planner_leaves_device_and_threads_to_the_painter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*given: object, **more: object) -> None:
        asked.append(given)
        raise UsageError("asked")

    monkeypatch.setattr(plan, "endpoint_planner", refuse)
    there = WishOptions(endpoint="http://127.0.0.1:9/v1", planner_name="qwen")
    with pytest.raises(UsageError, match="asked"):
        there.plan("a fish", None, LoadOptions(device="cpu", threads=2))
    assert asked == [("http://127.0.0.1:9/v1", "qwen")]
    with pytest.raises(UsageError, match="leave them out"):
        there.plan("a fish", None, LoadOptions(dtype="float32"))


def test_options_of_a_planner_are_refused_where_nothing_is_planned() -> None:
    WishOptions(api_key="of the environment").refuse(LoadOptions(device="cpu", threads=2))
    for options in (WishOptions(timeout=3.0), WishOptions(context=9)):
        with pytest.raises(UsageError, match="is of a planner"):
            options.refuse(LoadOptions())
    with pytest.raises(UsageError, match="--base is of a planner"):
        WishOptions().refuse(LoadOptions(base="x"))
