"""Schedules: exactly the steps asked for, from the level the strength says, by any sampler of the list."""

import pytest
import torch

from gesso.core.errors import UnknownNameError, UsageError
from gesso.diffusion.schedule import DEFAULT_SAMPLER, make_schedule, make_scheduler, samplers

TARGET = torch.full((2, 4, 3, 5), 0.5)


def noise(seed=0):
    return torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(seed))


def run(schedule, latents, generators=None):
    """Denoise towards TARGET with a model that knows it."""
    for number, timestep in enumerate(schedule.timesteps):
        scaled = schedule.scale_input(latents, timestep)
        signal = schedule.scheduler.alphas_cumprod[int(timestep)]
        predicted = (scaled - signal.sqrt() * TARGET) / (1 - signal).sqrt()
        latents = schedule.step(predicted, timestep, latents, generators)
        assert latents.shape == TARGET.shape, number
    return latents


# some samplers of diffusers 0.42 hand tensors to NumPy in a way that NumPy 2 deprecates
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
@pytest.mark.parametrize("sampler", samplers())
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_every_sampler_goes_down_to_what_the_model_knows(sampler, strength):
    schedule = make_schedule(sampler, 12, strength)
    generators = [torch.Generator().manual_seed(number) for number in range(2)]
    found = run(schedule, schedule.start(TARGET, noise()), generators)
    assert (found - TARGET).abs().mean() < 0.15
    assert schedule.level(TARGET, noise(), len(schedule.timesteps)) is TARGET


@pytest.mark.parametrize("steps", [1, 4, 25])
@pytest.mark.parametrize("strength", [1.0, 0.97, 0.6, 0.1])
def test_exactly_the_steps_asked_for_are_taken(steps, strength):
    schedule = make_schedule(DEFAULT_SAMPLER, steps, strength)
    levels = int(steps / strength)
    assert len(schedule.timesteps) == steps
    assert schedule.scheduler.begin_index == levels - steps
    assert torch.equal(schedule.timesteps, schedule.scheduler.timesteps[-steps:])


def test_a_strength_just_below_one_changes_nothing():
    full, almost = (make_schedule(DEFAULT_SAMPLER, 25, strength) for strength in (1.0, 0.97))
    assert torch.equal(full.scheduler.sigmas, almost.scheduler.sigmas)
    assert full.scheduler.begin_index == almost.scheduler.begin_index == 0


def test_long_schedules_repeat_timesteps_and_still_end_clean():
    schedule = make_schedule(DEFAULT_SAMPLER, 60)
    assert len(set(schedule.timesteps.tolist())) < 60
    assert (run(schedule, schedule.start(TARGET, noise())) - TARGET).abs().max() < 1e-2


def test_the_start_is_the_initial_latent_under_noise():
    schedule = make_schedule(DEFAULT_SAMPLER, 10, 0.5)
    sigma = schedule.scheduler.sigmas[schedule.scheduler.begin_index]
    expected = (TARGET + sigma * noise()) / (1 + sigma**2).sqrt()
    torch.testing.assert_close(schedule.start(TARGET[:1], noise()), expected)


def test_kept_parts_follow_the_noise_levels():
    schedule = make_schedule(DEFAULT_SAMPLER, 4)
    latents = schedule.start(TARGET, noise())
    for number, timestep in enumerate(schedule.timesteps):
        latents = schedule.step(noise(1), timestep, latents)
        sigma = schedule.scheduler.sigmas[number + 1]
        expected = (TARGET + sigma * noise()) / (1 + sigma**2).sqrt()
        torch.testing.assert_close(schedule.level(TARGET, noise(), number + 1), expected)


@pytest.mark.parametrize("sampler", [DEFAULT_SAMPLER, "DDIMScheduler", "EulerDiscreteScheduler"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_clean_latent_of_a_right_prediction_is_the_target(sampler, kind):
    schedule = make_schedule(sampler, 8, config={"prediction_type": kind})
    signal = schedule._signal(3)
    scaled = signal.sqrt() * TARGET + (1 - signal).sqrt() * noise()
    predicted = {
        "epsilon": noise(),
        "v_prediction": signal.sqrt() * noise() - (1 - signal).sqrt() * TARGET,
        "sample": TARGET,
    }[kind]
    torch.testing.assert_close(schedule.clean(scaled, predicted, 3), TARGET, rtol=1e-4, atol=1e-4)


def test_noise_of_a_sampler_comes_from_each_pictures_generator():
    found = []
    for seeds in ((1, 2), (1, 3)):
        schedule = make_schedule("EulerAncestralDiscreteScheduler", 4)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        found.append(run(schedule, schedule.start(TARGET, noise()) + 0.1, generators))
    assert torch.equal(found[0][0], found[1][0])
    # the model pulls both to the target; what is left of their noise differs
    assert not torch.equal(found[0][1], found[1][1])


def test_omosts_sampler_takes_from_a_checkpoint_only_how_it_was_trained():
    config = {
        "prediction_type": "v_prediction",
        "beta_end": 0.02,
        "use_karras_sigmas": False,
        "steps_offset": 1,
    }
    found = make_scheduler(DEFAULT_SAMPLER, config).config
    assert (found["prediction_type"], found["beta_end"]) == ("v_prediction", 0.02)
    assert (found["use_karras_sigmas"], found["steps_offset"]) == (True, 0)


def test_other_samplers_take_all_they_know():
    config = {"timestep_spacing": "trailing", "beta_start": 0.001}
    found = make_scheduler("EulerDiscreteScheduler", config).config
    assert (found["timestep_spacing"], found["beta_start"], found["beta_end"]) == ("trailing", 0.001, 0.012)


def test_an_unknown_sampler_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean EulerDiscreteScheduler"):
        make_schedule("EulerDiscrete", 4)


@pytest.mark.parametrize(
    ("steps", "strength", "message"),
    [(0, 1.0, "steps is 0"), (4, 0.0, "strength is 0.0"), (4, 1.1, "strength is 1.1")],
)
def test_ranges(steps, strength, message):
    with pytest.raises(UsageError, match=message):
        make_schedule(DEFAULT_SAMPLER, steps, strength)
