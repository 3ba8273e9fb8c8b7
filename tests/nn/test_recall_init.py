import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gesso.nn.recall_init import start_recalling

HERE, EARLIER = 30, 12


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=500,
        hidden_size=192,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=3,
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def attention(model: LlamaForCausalLM) -> list[torch.Tensor]:
    """Where the last token, which occurred once before, looks: [H, L] of each layer, mean of many texts."""
    ids = torch.randint(5, 500, (64, HERE + 1))
    ids[:, EARLIER] = ids[:, HERE]
    return [weights[:, :, HERE].mean(0) for weights in model(ids, output_attentions=True).attentions]


def test_first_heads_look_a_fixed_distance_back(model: LlamaForCausalLM) -> None:
    start_recalling(model)
    weights = attention(model)[0]
    for key_head, query_head in enumerate((0, 2, 4)):
        assert int(weights[query_head].argmax()) == HERE - key_head - 1
        assert weights[query_head].max() > 0.5
    assert weights[[1, 3, 5]].max() < 0.5  # the others stay random


def test_later_heads_look_for_the_same_token(model: LlamaForCausalLM) -> None:
    def preference() -> float:
        others = [place for place in range(HERE) if place != EARLIER]
        later = torch.stack(attention(model)[1:])
        return float(later[..., EARLIER].mean() / later[..., others].mean())

    assert preference() == pytest.approx(1, abs=0.2)
    start_recalling(model)
    assert preference() > 1.5


def test_everything_can_still_be_trained(model: LlamaForCausalLM) -> None:
    start_recalling(model)
    ids = torch.randint(5, 500, (2, 20))
    model(ids, labels=ids).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
