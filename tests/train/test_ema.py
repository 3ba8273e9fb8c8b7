import pytest
import torch
from torch import nn

from gesso.train.ema import average_of, decay_at


def test_the_decay_rises_to_its_value() -> None:
    assert [decay_at(n, 0.9) for n in (0, 8, 80, 10_000)] == [0.1, 0.5, 0.9, 0.9]


def test_the_average_follows_by_its_decay() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = average_of(module, 0.6)
    expected: float | None = None
    for updates, weight in enumerate((1.0, 3.0, -2.0, 5.0, 7.0, 7.0)):
        nn.init.constant_(module.weight, weight)
        average.update_parameters(module)
        if expected is None:
            expected = weight
        else:
            decay = decay_at(updates, 0.6)
            expected = decay * expected + (1 - decay) * weight
        assert float(average.module.weight) == pytest.approx(expected)


def test_the_average_is_not_trained_and_shares_nothing() -> None:
    module = nn.Linear(2, 2)
    average = average_of(module, 0.9)
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert all(parameter.requires_grad for parameter in module.parameters())
    nn.init.zeros_(module.weight)
    assert float(average.module.weight.abs().sum()) > 0


def test_an_average_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    module = nn.Linear(3, 3)
    weights = [torch.randn(3, 3) for _ in range(6)]
    whole, first, second = (average_of(module, 0.9) for _ in range(3))
    for number, weight in enumerate(weights):
        module.weight.data.copy_(weight)
        whole.update_parameters(module)
        if number == 3:
            second.load_state_dict(first.state_dict())
        broken = first if number < 3 else second
        broken.update_parameters(module)
    assert torch.equal(second.module.weight, whole.module.weight)
