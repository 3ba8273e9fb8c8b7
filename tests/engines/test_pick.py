import pytest
import torch
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)  # fmt: skip

from gesso.core.sampling import Sampling
from gesso.engines.pick import TokenPicker

CPU = torch.device("cpu")


def _frequencies(sampling: Sampling, logits: torch.Tensor, count: int = 4000) -> torch.Tensor:
    picker = TokenPicker([sampling] * count, CPU)
    picker._generators = [torch.Generator().manual_seed(i) for i in range(count)]
    tokens = picker.pick(logits.expand(count, -1))
    return torch.bincount(tokens, minlength=logits.shape[-1]) / count


def test_greedy_rows_take_the_likeliest_token_beside_sampled_ones() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 0.0, 1.9]])
    picker = TokenPicker([Sampling(), Sampling(temperature=5.0, seed=1)], CPU)
    assert all(picker.pick(logits)[0] == 1 for _ in range(50))


@pytest.mark.parametrize(
    "settings", [{}, {"top_k": 3}, {"top_p": 0.6}, {"top_k": 4, "top_p": 0.7}, {"temperature": 2.0}]
)
def test_frequencies_are_those_of_transformers_warpers(settings: dict[str, float]) -> None:
    sampling = Sampling(**{"temperature": 0.7, **settings})  # type: ignore[arg-type]
    logits = torch.tensor([[1.0, 0.2, -0.5, 1.3, 0.9, -2.0]])
    warped = TemperatureLogitsWarper(sampling.temperature)(None, logits)
    if sampling.top_k:
        warped = TopKLogitsWarper(sampling.top_k)(None, warped)
    if sampling.top_p < 1:
        warped = TopPLogitsWarper(sampling.top_p)(None, warped)
    expected = warped.softmax(-1)[0]
    seen = _frequencies(sampling, logits)
    assert torch.equal(seen == 0, expected == 0)
    assert torch.allclose(seen, expected, atol=0.03)


def test_penalty_is_that_of_transformers_over_the_tokens_already_said() -> None:
    logits = torch.tensor([[2.0, 1.9, -1.0, 1.8]])
    picker = TokenPicker([Sampling(repetition_penalty=1.5)], CPU)
    said: list[int] = []
    for _ in range(3):
        expected = RepetitionPenaltyLogitsProcessor(1.5)(torch.tensor([said], dtype=torch.long), logits)
        said.append(int(picker.pick(logits)))
        assert said[-1] == int(expected.argmax())
    assert said == [0, 1, 3]


def test_a_seed_gives_the_same_tokens_alone_and_in_company() -> None:
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    samplings = [Sampling(temperature=1.0, seed=seed) for seed in (5, 6, 7)]
    together = TokenPicker(samplings, CPU)
    alone = TokenPicker(samplings[1:2], CPU)
    drawn = [(int(together.pick(logits)[1]), int(alone.pick(logits[1:2]))) for _ in range(20)]
    assert all(a == b for a, b in drawn)
    assert len({a for a, _ in drawn}) > 1


def test_kept_rows_go_on_with_their_own_settings_and_seeds() -> None:
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    samplings = [Sampling(repetition_penalty=2.0), Sampling(temperature=1.0, seed=3, repetition_penalty=1.1)]
    whole, thinned = TokenPicker(samplings, CPU), TokenPicker(samplings, CPU)
    assert torch.equal(whole.pick(logits), thinned.pick(logits))
    thinned.keep(torch.tensor([1]))
    for _ in range(10):
        assert whole.pick(logits)[1] == thinned.pick(logits[1:])[0]


def test_without_a_seed_two_rows_differ() -> None:
    picker = TokenPicker([Sampling(temperature=1.0)] * 2, CPU)
    drawn = torch.stack([picker.pick(torch.zeros(2, 1000)) for _ in range(4)])
    assert not torch.equal(drawn[:, 0], drawn[:, 1])
