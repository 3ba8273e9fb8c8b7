import pytest

from gesso.engines.catalog import known
from gesso.evaluate.published import TABLES, published_for
from gesso.evaluate.report import ALL
from gesso.evaluate.task import TASKS


def _names() -> list[tuple[str, str]]:
    """Every model with every benchmark of its table."""
    return [
        (line.strip().partition(" | ")[0], column.partition(":")[0])
        for _, columns, rows in TABLES
        for line in rows.strip().splitlines()
        for column in columns.split()
    ]


def test_models_and_tasks_of_the_tables_are_known() -> None:
    for model, benchmark in _names():
        assert known(model), model
        name = benchmark.partition("+")[0]
        assert any(task == name or name.startswith(f"{task}-") for task in TASKS), benchmark


@pytest.mark.parametrize(
    "model",
    ["llava-v1.5-13b", "liuhaotian/llava-v1.5-13b", "llava-hf/llava-1.5-13b-hf", "models/llava-v1.5-13b/",
     "LLAVA-V1.5-13B"],
)  # fmt: skip
def test_a_model_is_found_by_all_its_names(model: str) -> None:
    (figure,) = published_for(model, "gqa")
    assert (figure.figure, figure.value, figure.tolerance) == (ALL, 0.633, 0.005)
    assert figure.source == "haotian-liu/LLaVA docs/MODEL_ZOO.md"


def test_percents_become_shares_and_points_stay() -> None:
    (total,) = published_for("megrez-3b-omni", "mme")
    assert (total.figure, total.value, total.tolerance) == ("total", 2315.41, 20.0)
    (rate,) = published_for("megrez-3b-omni", "fleurs-zh-test")
    assert (rate.figure, rate.value) == ("character error rate", 0.108)


@pytest.mark.parametrize(
    ("model", "benchmark"), [("mgm-8b", "mathvista-testmini"), ("my-model", "gqa"), ("", "gqa")]
)
def test_nothing_is_made_up(model: str, benchmark: str) -> None:
    assert published_for(model, benchmark) == ()
