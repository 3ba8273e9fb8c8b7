from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionModel

from gesso.config.schema import Recipe
from gesso.train import launch as launching
from gesso.train.launch import launch
from gesso.train.log import read_log
from gesso.train.objectives.base import Objective
from train.conftest import MakeRecipe


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tower's weights but the keys' biases, whose gradient is noise (attention ignores them)."""
    state = CLIPVisionModel.from_pretrained(folder).state_dict()
    return {name: weight for name, weight in state.items() if not name.endswith("k_proj.bias")}


def test_a_recipe_runs_in_this_process(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    assert launch(make_recipe("dense")) == tmp_path / "out" / "final"
    assert [line["step"] for line in read_log(tmp_path / "out" / "log.jsonl")] == [1, 2, 3]


def test_examples_are_counted_before_training_starts(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preference recipe samples its pairs then, not in the processes that prepare batches."""
    counted: list[int] = []

    class Lazy:
        @property
        def examples(self) -> int:
            counted.append(3)
            return 3

    def train(recipe: Recipe, build: Callable[[], Objective]) -> Path:
        assert counted == []
        assert build().examples == 3
        return Path("final")

    monkeypatch.setattr(launching, "build_objective", lambda recipe: Lazy())
    monkeypatch.setattr(launching, "train", train)
    assert launch(make_recipe("dense")) == Path("final")
    assert counted == [3, 3]


@pytest.mark.usefixtures("forked")
def test_two_processes_learn_what_one_learns_from_both_batches(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """Their mean gradient is that of the two micro-batches one process would accumulate."""
    settings = ("run.steps=2", "optim.lr=1e-3")
    both = launch(make_recipe("dense", *settings, "run.processes=2", f"run.out={tmp_path.as_posix()}/both"))
    alone = launch(
        make_recipe("dense", *settings, "run.accumulate=2", f"run.out={tmp_path.as_posix()}/alone")
    )
    trained, expected = weights(both), weights(alone)
    for name, weight in trained.items():
        torch.testing.assert_close(
            weight, expected[name], rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert [line["step"] for line in read_log(tmp_path / "both" / "log.jsonl")] == [1, 2]
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == [
        "final",
        "log.jsonl",
        "step-0000002",
    ]
