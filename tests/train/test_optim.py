import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from gesso.config.schema import OptimSettings
from gesso.core.errors import ConfigError
from gesso.train.optim import build_optimizers, freeze, learning_rate_factor


@pytest.fixture
def parts() -> dict[str, nn.Module]:
    table = nn.Embedding(5, 4)
    tower, language = nn.Linear(3, 4), nn.Sequential(table, nn.LayerNorm(4))
    head = nn.Linear(4, 5, bias=False)
    head.weight = table.weight  # tied, as in a language model
    return {"vision": tower, "language": language, "head": head}


def move(parts: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> set[str]:
    """Names of the weights that one step with gradients of one changes."""
    named = {f"{part}.{name}": p for part, module in parts.items() for name, p in module.named_parameters()}
    before = {name: p.detach().clone() for name, p in named.items()}
    for parameter in named.values():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    return {name for name, p in named.items() if not torch.equal(p, before[name])}


def test_a_part_without_a_rate_stands_still(parts: dict[str, nn.Module]) -> None:
    (optimizer,) = build_optimizers(parts, OptimSettings(weight_decay=0.1), {"vision": 0.0})
    assert move(parts, optimizer) == {
        "language.0.weight",
        "language.1.weight",
        "language.1.bias",
        "head.weight",
    }
    assert not any(p.requires_grad for p in parts["vision"].parameters())


def test_every_part_has_the_rate_it_is_given(parts: dict[str, nn.Module]) -> None:
    (optimizer,) = build_optimizers(parts, OptimSettings(lr=1e-3), {"vision": 5e-4})
    assert {(group["name"], group["lr"], group["peak"]) for group in optimizer.param_groups} == {
        ("vision", 5e-4, 5e-4),
        ("language", 1e-3, 1e-3),
    }


def test_matrices_decay_and_vectors_do_not(parts: dict[str, nn.Module]) -> None:
    (optimizer,) = build_optimizers(parts, OptimSettings(weight_decay=0.1, beta2=0.9), {})
    for group in optimizer.param_groups:
        assert group["betas"] == (0.9, 0.9)
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim == 2 else 0.0)


def test_muon_takes_the_matrices_inside_stacks_of_layers() -> None:
    layer = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Conv2d(4, 4, 3))
    part = nn.ModuleDict(
        {"embed": nn.Embedding(5, 4), "layers": nn.ModuleList([layer]), "head": nn.Linear(4, 5)}
    )
    muon, adamw = build_optimizers({"lm": part}, OptimSettings(lr=1e-3, muon=2, weight_decay=0.1), {})
    inner = [layer[0].weight, layer[2].weight]
    (matrices,) = [g["params"] for g in muon.param_groups]
    assert [matrix.data_ptr() for matrix in matrices] == [weight.data_ptr() for weight in inner]
    assert [(g["peak"], g["weight_decay"]) for g in muon.param_groups] == [(2e-3, 0.1)]
    others = {id(p) for p in part.parameters()} - {id(weight) for weight in inner}
    assert {id(p) for g in adamw.param_groups for p in g["params"]} == others
    assert {g["peak"] for g in adamw.param_groups} == {1e-3}


def test_a_muon_step_is_as_large_in_every_direction() -> None:
    layers = nn.ModuleList([nn.Linear(4, 4, bias=False)])
    (muon,) = build_optimizers({"lm": layers}, OptimSettings(lr=1e-2, muon=1), {})
    weight = layers[0].weight
    before = weight.detach().clone()
    weight.grad = torch.diag(torch.tensor([1.0, 0.1, 0.01, 0.01]))
    muon.step()
    moved = torch.linalg.svdvals(weight.detach() - before)
    assert moved.min() > 0.5 * moved.max()


def test_a_tied_weight_counts_once_and_to_the_first_part(parts: dict[str, nn.Module]) -> None:
    (optimizer,) = build_optimizers(parts, OptimSettings(), {"head": 0.0})
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    assert sum(p is parts["head"].weight for p in trained) == 1
    assert len(trained) == len(set(map(id, trained))) == 5
    assert parts["head"].weight.requires_grad


def test_what_a_model_froze_itself_stays_frozen(parts: dict[str, nn.Module]) -> None:
    parts["vision"].bias.requires_grad_(False)
    assert "vision.bias" not in move(parts, *build_optimizers(parts, OptimSettings(), {}))


def test_a_frozen_table_stands_still_wherever_it_is_shared(parts: dict[str, nn.Module]) -> None:
    freeze(parts, ["language.0"])
    (optimizer,) = build_optimizers(parts, OptimSettings(weight_decay=0.1), {})
    assert move(parts, optimizer) == {"vision.weight", "vision.bias", "language.1.weight", "language.1.bias"}


def test_a_name_that_freezes_nothing_is_refused(parts: dict[str, nn.Module]) -> None:
    with pytest.raises(ConfigError, match=r"embed_tokens.*names are like vision\.weight"):
        freeze(parts, ["embed_tokens"])


def test_unknown_parts_are_refused_with_the_known_ones(parts: dict[str, nn.Module]) -> None:
    with pytest.raises(ConfigError, match="tune names audio; this model has vision, language, head"):
        build_optimizers(parts, OptimSettings(), {"audio": 1e-3, "vision": 0})


def test_a_run_that_trains_nothing_is_refused(parts: dict[str, nn.Module]) -> None:
    with pytest.raises(ConfigError, match="nothing would be trained"):
        build_optimizers(parts, OptimSettings(), dict.fromkeys(parts, 0.0))


@pytest.mark.parametrize("rate", [-1e-3, math.nan])
def test_a_negative_rate_is_refused(parts: dict[str, nn.Module], rate: float) -> None:
    with pytest.raises(ConfigError, match=rf"tune\.vision is {rate}; a rate is positive, or 0"):
        build_optimizers(parts, OptimSettings(), {"vision": rate})


def factors(settings: OptimSettings, steps: int) -> list[float]:
    """The factor of each step, and what would follow the last."""
    return [learning_rate_factor(step, settings, steps) for step in range(steps + 1)]


def test_the_rate_rises_to_its_peak_and_falls_along_a_cosine() -> None:
    taken = factors(OptimSettings(warmup=0.1, final=0.25), 100)
    assert taken[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(taken) == taken[9] == taken[10] == 1.0
    assert taken[55] == pytest.approx((1 + 0.25) / 2)  # half way down
    assert taken[100] == pytest.approx(0.25)
    assert all(earlier >= later for earlier, later in pairwise(taken[10:]))


def test_without_warmup_the_first_step_has_the_full_rate() -> None:
    taken = factors(OptimSettings(warmup=0.0), 10)
    assert taken[0] == 1.0
    assert taken[10] == pytest.approx(0.0)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
def test_short_runs_have_positive_rates(steps: int, warmup: float) -> None:
    taken = factors(OptimSettings(warmup=warmup, final=0.1), steps)
    assert all(0 < factor <= 1 for factor in taken)
