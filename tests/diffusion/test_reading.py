"""Reading texts with places: against the formulas written out, at every kind of mask."""

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.tiny_paint import box, region
from gesso.diffusion.attention import TextProcessor
from gesso.diffusion.reading import BlendedReading, ScoreReading, fit_mask

SHAPE = (6, 9)


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(0)
    return Attention(16, 40, heads=2, dim_head=8, processor=TextProcessor()).eval().requires_grad_(False)


def query(rows=1, seed=5):
    return torch.randn(rows, 2, SHAPE[0] * SHAPE[1], 8, generator=torch.Generator().manual_seed(seed))


def heads(states):
    return states.unflatten(2, (2, 8)).transpose(1, 2)


def by_formula(layer, found, regions):
    """The original's way: scores of all tokens, scaled by region, -inf where a region does not lie."""
    scores, values = [], []
    for one in regions:
        mask = fit_mask(one.mask, SHAPE).flatten()
        keys = heads(layer.to_k(one.states))
        score = found @ keys.transpose(2, 3) * layer.scale * (mask.numel() / mask.sum())
        scores.append(score.masked_fill(~(mask > 0.5)[:, None], float("-inf")))
        values.append(heads(layer.to_v(one.states)))
    return torch.cat(scores, dim=3).softmax(dim=-1) @ torch.cat(values, dim=2)


edges = st.tuples(st.integers(0, 89), st.integers(1, 90)).map(lambda e: (min(e[0], e[1] - 1), e[1]))


@settings(deadline=None, max_examples=30)
@given(boxes=st.lists(st.tuples(edges, edges), max_size=4), soft=st.floats(0.2, 1))
def test_scores_follow_the_formula(layer, boxes, soft):
    masks = [box()] + [soft * box(*rows, *columns) for rows, columns in boxes]
    regions = [region(mask, seed, tokens=3 + seed) for seed, mask in enumerate(masks)]
    drawn = [one for one in regions if fit_mask(one.mask, SHAPE).sum() > 0]
    found = ScoreReading(regions).attend(layer, query(), SHAPE)
    torch.testing.assert_close(found, by_formula(layer, query(), drawn), rtol=1e-4, atol=1e-5)


def test_a_region_too_small_for_the_map_is_left_out(layer):
    tiny = region(box(0, 1, 0, 1), 2)
    assert not fit_mask(tiny.mask, SHAPE).any()
    found = ScoreReading([region(box(), 1), tiny]).attend(layer, query(), SHAPE)
    torch.testing.assert_close(found, ScoreReading([region(box(), 1)]).attend(layer, query(), SHAPE))


def test_a_region_is_not_read_where_it_does_not_lie(layer):
    first, left = region(box(), 1), region(box(right=45), 2)
    alone = ScoreReading([first]).attend(layer, query(), SHAPE)
    both = ScoreReading([first, left]).attend(layer, query(), SHAPE)
    equal = (alone - both).abs().amax(dim=(0, 1, 3)).view(SHAPE) < 1e-6
    assert equal[:, 5:].all()
    assert not equal[:, :4].any()


@pytest.mark.parametrize("kind", [ScoreReading, BlendedReading])
def test_copies_read_the_same_text(layer, kind):
    regions = [region(box(), 1), region(box(right=45), 2)]
    three = query(3)
    together = kind(regions, 3).attend(layer, three, SHAPE)
    apart = [kind(regions, 1).attend(layer, row, SHAPE) for row in three.split(1)]
    torch.testing.assert_close(together, torch.cat(apart))


@pytest.mark.parametrize("kind", [ScoreReading, BlendedReading])
def test_keys_are_made_once_and_kept_for_the_next_step(layer, kind):
    calls = []
    hook = layer.to_k.register_forward_hook(lambda *_: calls.append(1))
    reading = kind([region(box(), 1), region(box(right=45), 2)])
    first = reading.attend(layer, query(), SHAPE)
    made = len(calls)
    again = reading.attend(layer, query(), SHAPE)
    assert (len(calls), torch.equal(first, again)) == (made, True)
    unkept = kind([region(box(), 1), region(box(right=45), 2)], keep=False)
    torch.testing.assert_close(unkept.attend(layer, query(), SHAPE), first)
    unkept.attend(layer, query(), SHAPE)
    hook.remove()
    assert len(calls) == 3 * made


def test_kept_keys_carry_no_gradient_and_others_do(layer):
    layer.to_k.weight.requires_grad_(True)
    kept, unkept = (ScoreReading([region(box(), 1)], keep=keep) for keep in (True, False))
    found = [reading.attend(layer, query(), SHAPE).requires_grad for reading in (kept, unkept)]
    layer.to_k.weight.requires_grad_(False)
    assert found == [False, True]


def test_blending_weighs_each_regions_own_attention(layer):
    regions = [region(box(), 1), region(0.5 * box(right=45), 2)]
    found = BlendedReading(regions, base=0.25).attend(layer, query(), SHAPE)
    first, second = (by_formula(layer, query(), [region(box(), seed)]) for seed in (1, 2))
    inside = torch.as_tensor(np.arange(54) % 9 < 4)[:, None]
    # left: weights 0.25 and 0.5; right: the first alone
    torch.testing.assert_close(
        found, torch.where(inside, first / 3 + second * 2 / 3, first), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", [ScoreReading, BlendedReading])
def test_one_text_everywhere_is_plain_attention(layer, kind):
    only = region(box(), 1)
    plain = layer(torch.ones(1, 54, 16), encoder_hidden_states=only.states)
    read = kind([only]).attend(layer, heads(layer.to_q(torch.ones(1, 54, 16))), SHAPE)
    torch.testing.assert_close(layer.to_out[0](read.transpose(1, 2).flatten(2)), plain)
