from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from gesso.config.schema import OptimSettings
from gesso.core.errors import TrainingError
from gesso.train.checkpoint import latest_checkpoint, restore_checkpoint, save_checkpoint
from gesso.train.optim import build_optimizers

Run = tuple[nn.Linear, list[Optimizer]]


def new_run(width: int = 4, *, steps: int = 0, lr: float = 0.1, tune: dict[str, float] | None = None) -> Run:
    """A linear model after some steps."""
    torch.manual_seed(0)
    module = nn.Linear(3, width)
    parts = {"line": module, "other": nn.Linear(3, width)}
    optimizers = build_optimizers(parts, OptimSettings(lr=lr), tune or {})
    for _ in range(steps):
        module(torch.randn(2, 3)).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return module, optimizers


def test_everything_comes_back(tmp_path: Path) -> None:
    module, optimizers = new_run(steps=3)
    folder = save_checkpoint(tmp_path, 3, module, optimizers)
    drawn = torch.rand(4)
    again = new_run()
    assert restore_checkpoint(folder, *again) == 3
    assert torch.equal(torch.rand(4), drawn)
    assert torch.equal(again[0].weight, module.weight)
    moments, restored = optimizers[0].state_dict()["state"], again[1][0].state_dict()["state"]
    assert moments.keys() == restored.keys() == {0, 1}
    for name in ("step", "exp_avg", "exp_avg_sq"):
        assert all(torch.equal(moments[k][name], restored[k][name]) for k in moments)


def test_the_momentum_of_muon_comes_back(tmp_path: Path) -> None:
    stack = nn.ModuleList([nn.Linear(3, 3)])
    optimizers = build_optimizers({"stack": stack}, OptimSettings(muon=2), {})
    stack[0](torch.randn(2, 3)).square().mean().backward()
    for optimizer in optimizers:
        optimizer.step()
    folder = save_checkpoint(tmp_path, 1, stack, optimizers)
    again = build_optimizers({"stack": stack}, OptimSettings(muon=2), {})
    restore_checkpoint(folder, stack, again)
    for optimizer, restored in zip(optimizers, again, strict=True):
        saved, new = optimizer.state_dict()["state"], restored.state_dict()["state"]
        assert saved.keys() == new.keys() != set()
        assert all(torch.equal(saved[k][name], new[k][name]) for k in saved for name in saved[k])


def test_a_checkpoint_of_other_optimisers_is_refused(tmp_path: Path) -> None:
    stack = nn.ModuleList([nn.Linear(3, 3)])
    adamw, muon = (build_optimizers({"stack": stack}, OptimSettings(muon=m), {}) for m in (0, 2))
    folder = save_checkpoint(tmp_path, 1, stack, adamw)
    with pytest.raises(TrainingError, match="cannot resume"):
        restore_checkpoint(folder, stack, muon)


def test_rates_are_those_of_the_resumed_run(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, 2, *new_run(steps=2))
    module, optimizers = new_run(lr=0.025)
    restore_checkpoint(folder, module, optimizers)
    (optimizer,) = optimizers
    assert {group["lr"] for group in optimizer.param_groups} == {0.025}
    assert optimizer.state[module.weight]["step"] == 2


def test_random_numbers_of_a_gpu_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, gpu = new_run(), torch.Generator()  # stands in for a GPU's generator
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", gpu.get_state)
    monkeypatch.setattr(torch.cuda, "set_rng_state", gpu.set_state)
    folder = save_checkpoint(tmp_path, 1, *run)
    drawn = torch.rand(4, generator=gpu)
    restore_checkpoint(folder, *run)
    assert torch.equal(torch.rand(4, generator=gpu), drawn)


def test_a_checkpoint_of_a_cpu_is_resumed_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = save_checkpoint(tmp_path, 1, *run)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert restore_checkpoint(folder, *run) == 1


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    run = new_run()
    for step in (9, 10, 100):
        save_checkpoint(tmp_path, step, *run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000010", "step-0000100"]
    assert latest_checkpoint(tmp_path) == tmp_path / "step-0000100"


def test_a_step_saved_again_replaces_the_old_one(tmp_path: Path) -> None:
    module, optimizers = new_run()
    save_checkpoint(tmp_path, 1, module, optimizers)
    with torch.no_grad():
        module.bias.fill_(7)
    folder = save_checkpoint(tmp_path, 1, module, optimizers)
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


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "incomplete", "list", "number"])
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
        case "list":
            torch.save([1, 2], path)
        case "number":
            torch.save(dict.fromkeys(torch.load(path), 1), path)
    with pytest.raises(TrainingError, match=r"cannot resume from .*step-0000001.*delete it"):
        restore_checkpoint(folder, *run)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, 1, *new_run(4))
    with pytest.raises(TrainingError, match=r"(?s)cannot resume.*size mismatch"):
        restore_checkpoint(folder, *new_run(5))


@pytest.mark.parametrize("frozen", ["line", "other"])
def test_a_checkpoint_of_other_groups_is_refused(tmp_path: Path, frozen: str) -> None:
    folder = save_checkpoint(tmp_path, 1, *new_run(tune={frozen: 0}))
    (other,) = {"line", "other"} - {frozen}
    # as many parameters of the same shapes, but not the same ones
    for tune in ({}, {other: 0.0}):
        with pytest.raises(TrainingError, match=r"cannot resume.*parameter groups are others"):
            restore_checkpoint(folder, *new_run(tune=tune))


def test_moments_of_other_shapes_are_refused(tmp_path: Path) -> None:
    module, optimizers = new_run(steps=1)
    folder = save_checkpoint(tmp_path, 1, module, optimizers)
    shapes = {"line": nn.Linear(2, 4), "other": nn.Linear(3, 4)}
    with pytest.raises(TrainingError, match=r"moments of shape \[4, 3\] for \[4, 2\]"):
        restore_checkpoint(folder, module, build_optimizers(shapes, OptimSettings(), {}))
