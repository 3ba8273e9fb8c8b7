from math import nan
from typing import Any

import pytest

from gesso.core.errors import UsageError
from gesso.core.sampling import Sampling


def test_the_default_is_greedy() -> None:
    assert Sampling().greedy
    assert not Sampling(temperature=0.1).greedy


@pytest.mark.parametrize(
    "setting",
    [
        {"top_p": 1.0},
        {"top_k": 0},
        {"max_new_tokens": 1},
        {"stop": ("###", "\n")},
        {"repetition_penalty": 0.5},
        {"num_beams": 4},
        {"num_beams": 1, "temperature": 2.0},
    ],
)
def test_values_at_the_edge_of_their_range_pass(setting: dict[str, Any]) -> None:
    name, value = next(iter(setting.items()))
    assert getattr(Sampling(**setting), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", nan),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("max_new_tokens", 0),
        ("repetition_penalty", 0.0),
        ("num_beams", 0),
        ("stop", "###"),
        ("stop", ("",)),
        ("stop", (3,)),
    ],
)
def test_values_out_of_range_are_refused_with_the_range(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name} is .*it must be"):
        Sampling(**{name: value})


def test_beams_refuse_a_temperature() -> None:
    with pytest.raises(UsageError, match=r"num_beams 2 with temperature 0.5.*set temperature to 0"):
        Sampling(num_beams=2, temperature=0.5)
