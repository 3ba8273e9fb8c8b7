from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler

from gesso.config.schema import OptimSettings
from gesso.core.errors import TrainingError
from gesso.train.checkpoint import latest_checkpoint, restore_checkpoint, save_checkpoint
from gesso.train.optim import build_optimizer, build_schedule

Run = tuple[nn.Linear, AdamW, LRScheduler]


def new_run(width: int = 4, *, steps: int = 0, tune: dict[str, float] | None = None) -> Run:
    """A linear model after some steps."""
    torch.manual_seed(0)
    module = nn.Linear(3, width)
    optimizer = build_optimizer({"line": module, "other": nn.Linear(2, 2)}, OptimSettings(lr=0.1), tune or {})
    schedule = build_schedule(optimizer, OptimSettings(lr=0.1), 10)
    for _ in range(steps):
        module(torch.randn(2, 3)).square().mean().backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return module, optimizer, schedule


def test_everything_comes_back(tmp_path: Path) -> None:
    module, optimizer, schedule = new_run(steps=3)
    folder = save_checkpoint(tmp_path, 3, module, optimizer, schedule)
    drawn = torch.rand(4)
    again = new_run()
    assert restore_checkpoint(folder, *again) == 3
    assert torch.equal(torch.rand(4), drawn)
    assert torch.equal(again[0].weight, module.weight)
    assert again[2].get_last_lr() == schedule.get_last_lr()
    moments, restored = optimizer.state_dict()["state"], again[1].state_dict()["state"]
    assert moments.keys() == restored.keys()
    assert all(torch.equal(moments[k]["exp_avg_sq"], restored[k]["exp_avg_sq"]) for k in moments)


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    run = new_run()
    for step in (9, 10, 100):
        save_checkpoint(tmp_path, step, *run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000010", "step-0000100"]
    assert latest_checkpoint(tmp_path) == tmp_path / "step-0000100"


def test_a_step_saved_again_replaces_the_old_one(tmp_path: Path) -> None:
    module, optimizer, schedule = new_run()
    save_checkpoint(tmp_path, 1, module, optimizer, schedule)
    with torch.no_grad():
        module.bias.fill_(7)
    folder = save_checkpoint(tmp_path, 1, module, optimizer, schedule)
    again = new_run()
    restore_checkpoint(folder, *again)
    assert again[0].bias.tolist() == [7] * 4


def test_an_interrupted_save_is_never_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    save_checkpoint(tmp_path, 1, *run)

    def fail(state: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, 2, *run)
    assert len(list(tmp_path.iterdir())) == 2
    assert latest_checkpoint(tmp_path) == tmp_path / "step-0000001"
    assert save_checkpoint(tmp_path, 2, *run) == latest_checkpoint(tmp_path)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_run_without_checkpoints_has_no_latest(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "none") is None
    (tmp_path / "step-0000001").mkdir()
    assert latest_checkpoint(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        "truncated",
        pytest.param("empty", marks=pytest.mark.xfail(strict=True, raises=EOFError)),
        pytest.param("garbage", marks=pytest.mark.xfail(strict=True, reason="UnpicklingError escapes")),
        "incomplete",
        pytest.param("other", marks=pytest.mark.xfail(strict=True, raises=TypeError)),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    run = new_run()
    folder = save_checkpoint(tmp_path, 1, *run)
    path = folder / "state.pt"
    match damage:
        case "truncated":
            path.write_bytes(path.read_bytes()[:-200])
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(b"not a checkpoint at all")
        case "incomplete":
            torch.save({"step": 1}, path)
        case "other":
            torch.save([1, 2], path)
    with pytest.raises(TrainingError, match=r"cannot resume from .*step-0000001.*delete it"):
        restore_checkpoint(folder, *run)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, 1, *new_run(4))
    with pytest.raises(TrainingError, match=r"(?s)cannot resume.*size mismatch"):
        restore_checkpoint(folder, *new_run(5))


def test_a_checkpoint_of_other_groups_is_refused(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, 1, *new_run())
    with pytest.raises(TrainingError, match=r"(?s)cannot resume.*parameter group"):
        restore_checkpoint(folder, *new_run(tune={"other": 0}))
