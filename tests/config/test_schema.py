from math import inf, nan
from typing import Any

import pytest

from gesso.config.schema import (
    DataSettings,
    ModelSettings,
    OptimSettings,
    PreferenceSettings,
    RunSettings,
)
from gesso.core.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0.0),
        ("lr", -1e-3),
        ("lr", nan),
        ("beta2", 0.0),
        ("beta2", 1.0),
        ("warmup", -0.1),
        ("warmup", 1.0),
        ("final", 1.5),
        ("clip", -1.0),
        ("weight_decay", -0.1),
    ],
)
def test_rates_that_cannot_train_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"optim.{name} is {value}"):
        OptimSettings(**{name: value})


def test_no_warmup_no_clipping_and_a_constant_rate_are_allowed() -> None:
    settings = OptimSettings(warmup=0.0, clip=0.0, final=1.0)
    assert (settings.warmup, settings.clip, settings.final) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("name", ["chinese", "describe", "edits"])
@pytest.mark.parametrize("value", [-0.01, 1.01, nan, inf])
def test_shares_lie_between_none_and_all(name: str, value: float) -> None:
    setting: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=rf"data.{name} is {value}; it must be in \[0, 1\]"):
        DataSettings(**setting)


@pytest.mark.parametrize("given", [{}, {"path": "a.json"}, {"images": "folder"}])
def test_a_json_source_needs_its_file_and_its_pictures(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"needs data.path .* and data.images"):
        DataSettings(source="llava-json", **given)


@pytest.mark.parametrize("source", ["messages", "boxes"])
def test_a_source_of_lines_needs_its_file(source: Any) -> None:
    assert DataSettings(source=source, path="a.jsonl").images is None
    with pytest.raises(ConfigError, match=rf"data.source {source} needs data.path"):
        DataSettings(source=source)


@pytest.mark.parametrize(
    ("name", "value"),
    [("beta", 0.0), ("beta", nan), ("sft", -0.1), ("temperature", 0.0), ("top_p", 0.0), ("top_p", 1.1)],
)
def test_preferences_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"preference.{name} is {value}, which is out of range"):
        PreferenceSettings(**{name: value})


@pytest.mark.parametrize(
    ("cls", "name", "least"),
    [
        (ModelSettings, "model.vocabulary", 300),
        *((DataSettings, f"data.{name}", 1) for name in ("count", "size", "length")),
        (DataSettings, "data.questions", 0),
        (PreferenceSettings, "preference.samples", 2),
        (PreferenceSettings, "preference.max_new_tokens", 1),
        *(
            (RunSettings, f"run.{name}", 1)
            for name in ("steps", "batch", "accumulate", "processes", "save_every", "log_every")
        ),
        (RunSettings, "run.threads", 0),
        (RunSettings, "run.workers", 0),
    ],
)
def test_counts_below_their_minimum_are_refused(cls: type[Any], name: str, least: int) -> None:
    others = {"out": "here", "steps": 1} if cls is RunSettings else {}
    field = name.partition(".")[2]
    assert getattr(cls(**others | {field: least}), field) == least
    with pytest.raises(ConfigError, match=f"{name} is {least - 1}; it must be at least {least}"):
        cls(**others | {field: least - 1})
