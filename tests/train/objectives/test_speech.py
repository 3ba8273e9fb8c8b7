import pytest
import torch

from gesso.train.objectives.speech import SPREAD, UNSAID, SpeechBatch, _prior


def test_tokens_are_likeliest_where_they_are_expected() -> None:
    tokens = torch.tensor([[5, 6, 5], [7, UNSAID, UNSAID]])
    expected = torch.tensor([[0.1, 0.5, 0.9], [0.5, 0.0, 0.0]])
    prior = _prior(SpeechBatch([], [], tokens, expected), torch.tensor([20, 10]), columns=9)
    assert prior.shape == (20, 2, 9)
    # said twice: likely at both places, by the nearer one
    assert prior[2, 0, 5] == prior[18, 0, 5] == 0
    assert float(prior[10, 0, 5]) == pytest.approx(-0.5 * (8 / SPREAD) ** 2)
    assert prior[:, 0, 6].argmax() == 10
    assert prior[:, 1, 7].argmax() == 5
    # nothing is known of what is not said, silence (the last) included
    assert not prior[:, 0, [0, 1, 2, 3, 4, 7, 8]].any()
    assert not prior[:, 1, [0, 1, 2, 3, 4, 5, 6, 8]].any()
