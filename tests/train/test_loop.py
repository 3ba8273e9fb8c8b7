from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError, TrainingError
from gesso.train.log import read_log
from gesso.train.loop import train
from gesso.train.objectives.language import LanguageObjective
from gesso.train.optim import learning_rate_factor
from train.conftest import MakeRecipe

Weights = Mapping[str, Tensor]


class Line:
    """The smallest objective there is: a line through points, with dropout if asked for."""

    def __init__(
        self, *, dropout: float = 0.0, stop_at: int = -1, loss_at: Mapping[int, float] | None = None
    ) -> None:
        self.module: nn.Module = nn.Sequential(nn.Dropout(dropout), nn.Linear(4, 1))
        self.examples = 10
        self.seen: list[tuple[int, list[int]]] = []
        self._stop_at, self._loss_at = stop_at, loss_at or {}

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        return {"line": self.module}

    def batch(self, examples: list[int], number: int) -> tuple[Tensor, list[Tensor]]:
        self.seen.append((number, examples))
        points = [torch.randn(4, generator=torch.Generator().manual_seed(example)) for example in examples]
        return torch.stack(points), [point.sum() for point in points]

    def loss(self, batch: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, dict[str, float]]:
        number = self.seen[-1][0]
        if number == self._stop_at:
            raise KeyboardInterrupt
        points, values = batch
        loss = functional.mse_loss(self.module(points)[:, 0], torch.stack(values))
        return loss * self._loss_at.get(number, 1.0), {"tokens": len(points)}

    def show(self, example: int) -> str:
        return str(example)

    def save(self, folder: Path) -> None:
        folder.mkdir()
        torch.save(self.module.state_dict(), folder / "line.pt")


def run_line(recipe: Recipe, **options: Any) -> Line:
    """Train a line and give it back."""
    line: list[Line] = []

    def build() -> Line:
        line.append(Line(**options))
        return line[0]

    train(recipe, build)
    return line[0]


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_run_learns_and_leaves_model_log_and_checkpoints(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        "language", "run.steps=40", "run.save_every=15", "run.batch=5", "run.log_every=8", "optim.lr=0.1"
    )
    line = run_line(recipe)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "final",
        "log.jsonl",
        "step-0000030",
        "step-0000040",
    ]
    lines = read_log(out / "log.jsonl")
    assert [entry["step"] for entry in lines] == [8, 16, 24, 32, 40]
    assert set(lines[0]) == {"step", "lr", "loss", "tokens", "norm", "tokens_per_s", "seconds"}
    assert lines[-1]["loss"] < lines[0]["loss"] / 2
    assert lines[-1]["lr"] < lines[1]["lr"]
    final = torch.load(out / "final" / "line.pt")
    assert torch.equal(final["1.weight"], line.module.state_dict()["1.weight"])


def test_micro_batches_come_in_order_and_go_through_every_epoch(make_recipe: MakeRecipe) -> None:
    line = run_line(make_recipe("language", "run.steps=5", "run.accumulate=2", "run.batch=3"))
    assert [number for number, _ in line.seen] == list(range(10))
    stream = [example for _, examples in line.seen for example in examples]
    assert [sorted(stream[start : start + 10]) for start in (0, 10, 20)] == [list(range(10))] * 3


def test_accumulation_equals_a_larger_batch(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    small = run_line(make_recipe("language", "run.batch=2", "run.accumulate=3", f"run.out={tmp_path}/small"))
    large = run_line(make_recipe("language", "run.batch=6", f"run.out={tmp_path}/large"))
    for a, b in zip(small.module.parameters(), large.module.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    small_log, large_log = (read_log(tmp_path / name / "log.jsonl") for name in ("small", "large"))
    assert [line["loss"] for line in small_log] == pytest.approx(
        [line["loss"] for line in large_log], rel=1e-4
    )


def test_new_weights_follow_from_the_seed(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    lines = [
        run_line(make_recipe("language", f"run.seed={seed}", f"run.out={tmp_path}/{number}"))
        for number, seed in enumerate((1, 1, 2))
    ]
    assert same(lines[0].module, lines[1].module)
    assert not same(lines[0].module, lines[2].module)


class Interrupted(LanguageObjective):
    """Stops as by Ctrl-C after some micro-batches."""

    left: int

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().loss(batch)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_run_ends_where_an_unbroken_one_does(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast, accumulate: int
) -> None:
    settings = ("run.steps=6", "run.save_every=3", f"run.accumulate={accumulate}")
    whole = make_recipe("language", *settings, f"run.out={tmp_path}/whole")
    broken = make_recipe("language", *settings, f"run.out={tmp_path}/broken")
    made: list[Interrupted] = []

    def build(recipe: Recipe, left: int) -> LanguageObjective:
        made.append(Interrupted(recipe, tokenizer))
        made[-1].left = left
        return made[-1]

    train(whole, lambda: build(whole, -1))
    with pytest.raises(KeyboardInterrupt):
        train(broken, lambda: build(broken, 4 * accumulate))  # in step 5
    assert read_log(tmp_path / "broken" / "log.jsonl")[-1]["step"] == 4
    train(broken, lambda: build(broken, -1))
    assert same(made[0].module, made[-1].module)
    assert all(line["tokens"] > 0 for line in read_log(tmp_path / "whole" / "log.jsonl"))
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("whole", "broken")]
    kept = [[(line["step"], line["lr"], line["loss"]) for line in log] for log in logs]
    assert kept[0] == kept[1]


def test_a_resumed_run_drops_out_what_an_unbroken_one_does(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    settings = ("run.steps=6", "run.save_every=3")
    whole = run_line(make_recipe("language", *settings, f"run.out={tmp_path}/whole"), dropout=0.5)
    broken = make_recipe("language", *settings, f"run.out={tmp_path}/broken")
    with pytest.raises(KeyboardInterrupt):
        run_line(broken, dropout=0.5, stop_at=4)
    assert same(whole.module, run_line(broken, dropout=0.5).module)


def test_a_changed_rate_counts_after_resuming(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    settings = ("run.steps=6", "run.save_every=3")
    with pytest.raises(KeyboardInterrupt):
        run_line(make_recipe("language", *settings), stop_at=3)
    recipe = make_recipe("language", *settings, "optim.lr=1e-5")
    run_line(recipe)
    rates = [line["lr"] for line in read_log(tmp_path / "out" / "log.jsonl")[3:]]
    expected = [1e-5 * learning_rate_factor(step, recipe.optim, 6) for step in (3, 4, 5)]
    assert rates == pytest.approx(expected, rel=1e-4)


class TwoParts(Line):
    """A line whose slope and height have rates of their own."""

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        slope, height = self.module.parameters()
        return {"slope": nn.ParameterList([slope]), "height": nn.ParameterList([height])}


def test_every_part_follows_the_schedule_from_its_own_peak(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe("language", "tune={slope: 1e-3, height: 4e-3}")
    train(recipe, TwoParts)
    (adamw,) = torch.load(tmp_path / "out" / "step-0000003" / "state.pt")["optimizers"]
    factor = learning_rate_factor(2, recipe.optim, 3)
    assert 0 < factor < 1
    assert {group["name"]: group["lr"] for group in adamw["param_groups"]} == {
        "slope": 1e-3 * factor,
        "height": 4e-3 * factor,
    }
    assert read_log(tmp_path / "out" / "log.jsonl")[-1]["lr"] == pytest.approx(4e-3 * factor, rel=1e-4)


def test_a_finished_run_only_writes_its_model_again(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    first = run_line(make_recipe("language"))
    (tmp_path / "out" / "final" / "line.pt").unlink()
    (tmp_path / "out" / "final").rmdir()
    again = run_line(make_recipe("language"))
    assert again.seen == []
    assert same(first.module, again.module)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_run(
    make_recipe: MakeRecipe, tmp_path: Path, value: float
) -> None:
    recipe = make_recipe("language", "run.steps=6", "run.save_every=2")
    with pytest.raises(TrainingError, match=r"loss is no longer finite; lower optim.lr or set optim.clip"):
        run_line(recipe, loss_at={4: value})
    saved = torch.load(tmp_path / "out" / "step-0000004" / "state.pt")
    assert all(torch.isfinite(weight).all() for weight in saved["module"].values())
    assert read_log(tmp_path / "out" / "log.jsonl")[-1]["step"] == 4


def test_gradients_are_clipped_only_when_asked(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    run_line(make_recipe("language", "optim.clip=0"))
    assert "norm" not in read_log(tmp_path / "out" / "log.jsonl")[0]
    run_line(make_recipe("language", f"run.out={tmp_path}/clipped"))
    assert read_log(tmp_path / "clipped" / "log.jsonl")[0]["norm"] > 0


@pytest.mark.parametrize("accumulate", [1, 3])
def test_speed_counts_every_token(make_recipe: MakeRecipe, tmp_path: Path, accumulate: int) -> None:
    run_line(make_recipe("language", "run.steps=1", "run.batch=4", f"run.accumulate={accumulate}"))
    line = read_log(tmp_path / "out" / "log.jsonl")[0]
    assert line["tokens_per_s"] * line["seconds"] == pytest.approx(4 * accumulate, rel=0.05)


def test_runs_of_different_precision_follow_one_another(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    run_line(make_recipe("language"))
    try:
        run_line(make_recipe("language", "run.precision=bf16", f"run.out={tmp_path}/half"))
    finally:
        AcceleratorState._reset_state()  # so that the tests after this one do not share its precision
    assert read_log(tmp_path / "half" / "log.jsonl")


def test_worker_processes_make_the_same_batches(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    here = run_line(make_recipe("language"))
    line: list[Line] = []

    def build() -> Line:
        line.append(Line())
        line[0].seen.append((0, []))  # batches are made, and noted, in the worker
        return line[0]

    train(make_recipe("language", "run.workers=1", f"run.out={tmp_path}/workers"), build)
    assert same(here.module, line[0].module)


class Lengthy(Line):
    """A line whose first examples have pictures."""

    lengths = (3, 5, 2, 4, -1, -2, -3, -4, 6, -5)


def test_grouped_batches_do_not_mix(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("language", "run.steps=5", "run.grouped=true")
    line: list[Lengthy] = []

    def build() -> Lengthy:
        line.append(Lengthy())
        return line[0]

    train(recipe, build)
    seen = [examples for _, examples in line[0].seen]
    assert sorted(example for examples in seen for example in examples) == list(range(10))
    # the last batch may take what is left of both
    mixed = [len({Lengthy.lengths[example] > 0 for example in examples}) for examples in seen]
    assert mixed.count(1) >= 4


def test_grouping_what_has_no_lengths_is_refused(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match=r"run\.grouped means nothing to a language recipe"):
        run_line(make_recipe("language", "run.grouped=true"))
