import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from gesso.nn.matching_init import SCALE, start_matching

LENGTH = 24


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=96,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=3,
        attn_implementation="eager",
    )
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def attention(model: LlamaForCausalLM) -> Tensor:
    """What the last of `LENGTH` tokens, equal to number 10, looks at in the first layer, [heads, L]."""
    ids = torch.randperm(64, generator=torch.Generator().manual_seed(1))[:LENGTH]
    ids[-1] = ids[10]
    return model(ids[None], output_attentions=True).attentions[0][0, :, -1]


def test_every_head_starts_by_looking_at_tokens_like_its_own(model: LlamaForCausalLM) -> None:
    start_matching(model)
    weights = attention(model)
    others = weights[:, [place for place in range(LENGTH) if place not in (10, LENGTH - 1)]]
    assert (weights[:, 10] > 1.5 * others.mean(1)).all()
    assert weights[:, 10].mean() > others.mean(0).max()


def test_without_it_no_head_does(model: LlamaForCausalLM) -> None:
    assert (attention(model)[:, 10] < 1.5 / LENGTH).all()


def test_queries_equal_the_keys_of_their_head(model: LlamaForCausalLM) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    start_matching(model)
    for number, layer in enumerate(model.model.layers):
        queries = layer.self_attn.q_proj.weight.unflatten(0, (6, 16))
        keys = layer.self_attn.k_proj.weight.unflatten(0, (3, 16))
        for head in range(6):
            assert torch.equal(queries[head], keys[head // 2])
        own = before[f"model.layers.{number}.self_attn.k_proj.weight"]
        assert torch.equal(layer.self_attn.k_proj.weight, SCALE * own)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) or "q_proj" in name or "k_proj" in name


def test_everything_can_still_be_trained(model: LlamaForCausalLM) -> None:
    start_matching(model)
    ids = torch.arange(LENGTH)[None]
    model(ids, labels=ids).loss.backward()
    for layer in model.model.layers:
        for weight in (layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight):
            assert weight.grad is not None
            assert weight.grad.abs().sum() > 0
