"""The strategies: found by name, each different, equal to plain prompting where there is nothing to guide."""

from dataclasses import replace

import pytest
import torch

from diffusion.tiny_paint import box, noise, noise_model, prompt_text, sdxl_unet
from gesso.core.errors import UnknownNameError, UsageError
from gesso.diffusion.attention import install_processor
from gesso.diffusion.conditions import PromptText
from gesso.diffusion.guidance import STRATEGIES, strategy
from gesso.diffusion.guide_attention import AttentionDecomposition, AttentionScores
from gesso.diffusion.guide_gradient import BoxGradient, box_loss
from gesso.diffusion.guide_multi import MultiDiffusion
from gesso.diffusion.guides import Prediction, Step

STEP = Step(0, 4, torch.tensor(500))


@pytest.fixture(scope="module")
def model():
    unet = sdxl_unet().requires_grad_(False)
    install_processor(unet)
    return noise_model(unet)


def regions():
    return prompt_text(box(), box(right=40), box(left=50))


def predict(model, name, text, latents=None):
    latents = noise(2) if latents is None else latents
    guide = strategy(name).guide(model, text, len(latents))
    with torch.no_grad():
        return guide.predict(guide.refine(latents, STEP), STEP)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(UnknownNameError, match=r"known: attention-decomposition, .*, gradient, .*, none"):
        strategy("xyz")


def test_a_strategy_with_settings_of_its_own_is_taken_as_it_is():
    mine = AttentionDecomposition(base=0.7)
    assert strategy(mine) is mine


def test_strategies_differ(model):
    found = {name: predict(model, name, regions()).positive for name in STRATEGIES}
    names = sorted(found)
    pairs = [(a, b) for a in names for b in names if a < b]
    differences = {pair: float((found[pair[0]] - found[pair[1]]).abs().max()) for pair in pairs}
    assert min(differences.values()) > 1e-3, differences


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_one_text_for_the_whole_canvas_is_plain_prompting(model, name):
    text = prompt_text(box())
    found, plain = predict(model, name, text), predict(model, "none", text)
    torch.testing.assert_close(found.positive, plain.positive)
    torch.testing.assert_close(found.negative, plain.negative)


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"none"}))
def test_masks_matter(model, name):
    here, there = prompt_text(box(), box(right=30)), prompt_text(box(), box(left=60))
    difference = predict(model, name, here).positive - predict(model, name, there).positive
    assert difference.abs().max() > 1e-3


def test_without_regions_masks_do_not_matter(model):
    here, there = prompt_text(box(), box(right=30)), prompt_text(box(), box(left=60))
    assert torch.equal(predict(model, "none", here).positive, predict(model, "none", there).positive)


def test_scores_over_whole_masks_are_the_joined_text(model):
    text = prompt_text(box(), box(), box())
    assert torch.equal(
        predict(model, "attention-scores", text).positive, predict(model, "none", text).positive
    )


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_pictures_of_a_batch_do_not_see_each_other(model, name):
    latents = noise(2)
    together = predict(model, name, regions(), latents).positive
    apart = [predict(model, name, regions(), row).positive for row in latents.split(1)]
    torch.testing.assert_close(together, torch.cat(apart), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_without_a_negative_text_the_positive_stays(model, name):
    text = regions()
    found = predict(model, name, PromptText(text.regions, None))
    assert found.negative is None
    torch.testing.assert_close(found.positive, predict(model, name, text).positive)


def test_multidiffusion_blends_the_regions_own_predictions(model):
    text = prompt_text(box(), box(right=30))
    found = predict(model, "multidiffusion", text).positive
    first, second = (
        predict(model, "none", PromptText((replace(one, mask=torch.ones(90, 90)),), None)).positive
        for one in text.regions
    )
    torch.testing.assert_close(found[..., :8], second[..., :8])
    torch.testing.assert_close(found[..., 8:], first[..., 8:])


def test_the_gradient_makes_words_look_into_their_boxes(model):
    text = prompt_text(box(), box(right=40))
    guide = BoxGradient(step_size=0.5).guide(model, text, 1)
    latents = noise()
    losses = []
    for _ in range(4):
        with torch.no_grad():
            losses.append(float(guide.loss(latents, STEP.timestep)))
            latents = guide.refine(latents, STEP)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 1e-4


def test_the_gradient_leaves_the_later_steps_alone(model):
    guide = BoxGradient(until=0.5).guide(model, regions(), 1)
    moved = [not torch.equal(guide.refine(noise(), replace(STEP, number=n)), noise()) for n in range(4)]
    assert moved == [True, True, False, False]


def test_the_gradient_moves_latents_of_any_scale(model):
    guide = BoxGradient().guide(model, regions(), 1)
    plain = guide.refine(noise(), STEP)
    scaled = guide.refine(10 * noise(), replace(STEP, scale_input=lambda latents: latents / 10))
    torch.testing.assert_close(scaled, 10 * plain, rtol=1e-3, atol=1e-3)


def test_box_loss_counts_the_most_looked_at_cells():
    masks = torch.tensor([[1.0] * 4, [1.0, 1.0, 0.0, 0.0]])
    attention = torch.tensor([[[1.0, 3.0], [3.0, 1.0], [1.0, 1.0], [4.0, 1.0]]])  # [1, 4, 2]
    # shares of the second region: 0.75 and 0.25 inside, 0.5 and 0.2 outside
    assert box_loss(attention, masks, 0.5) == pytest.approx(1 - 0.75 + 0.5, abs=1e-4)
    assert box_loss(attention, masks, 1.0) == pytest.approx(1 - 0.5 + 0.35, abs=1e-4)


def test_box_loss_of_regions_without_an_outside_is_nothing():
    assert box_loss(torch.rand(2, 4, 2), torch.ones(2, 4), 0.2) == 0


def test_guidance_goes_from_the_negative_over_the_positive():
    prediction = Prediction(torch.tensor([3.0]), torch.tensor([1.0]))
    assert prediction.guided(1.0) == 3
    assert prediction.guided(5.0) == 11
    assert Prediction(torch.tensor([3.0]), None).guided(5.0) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttentionDecomposition(base=0), "base is 0; it must be > 0"),
        (lambda: MultiDiffusion(base=-1), "base is -1; it must be >= 0"),
        (lambda: BoxGradient(step_size=0), "step_size is 0"),
        (lambda: BoxGradient(until=1.5), "until is 1.5"),
        (lambda: BoxGradient(top=0), "top is 0"),
    ],
)
def test_settings_outside_their_range_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_memory_can_be_saved_by_not_keeping_keys(model):
    found = AttentionScores(keep=False).guide(model, regions(), 2).predict(noise(2), STEP)
    torch.testing.assert_close(found.positive, predict(model, "attention-scores", regions()).positive)
