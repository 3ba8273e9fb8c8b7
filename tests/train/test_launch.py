from pathlib import Path


import torch
from transformers import CLIPVisionModel

from gesso.train.launch import launch
from gesso.train.log import read_log
from train.conftest import MakeRecipe


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return CLIPVisionModel.from_pretrained(folder).state_dict()


def test_a_recipe_runs_in_this_process(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    assert launch(make_recipe("dense")) == tmp_path / "out" / "final"
    assert [line["step"] for line in read_log(tmp_path / "out" / "log.jsonl")] == [1, 2, 3]


def test_two_processes_learn_what_one_learns_from_both_batches(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """Their mean gradient is that of the two micro-batches one process would accumulate."""
    # the places are those of every patch, so every micro-batch counts the same; the other attributes are means
    # over the patches that show things, which is what accumulation averages too
    alone = launch(make_recipe("dense", "run.accumulate=2", f"run.out={tmp_path.as_posix()}/alone"))
    both = launch(make_recipe("dense", "run.processes=2", f"run.out={tmp_path.as_posix()}/both"))
    trained, expected = weights(both), weights(alone)
    for name, weight in trained.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-4, atol=2e-5)
    assert [line["step"] for line in read_log(tmp_path / "both" / "log.jsonl")] == [1, 2, 3]
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["final", "log.jsonl", "step-0000003"]
