import pytest
import torch
from transformers import AutoTokenizer

from diffusion.tiny_paint import box, noise, noise_model, sd15
from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.attention import install_processor
from gesso.diffusion.conditions import PromptText, TextRegion
from gesso.diffusion.guidance import strategy
from gesso.diffusion.guide_subject import (
    Cast,
    NamedSubject,
    SubjectGuide,
    named_subjects,
    require_strategy,
)
from gesso.diffusion.guides import Step
from gesso.diffusion.subject_adapter import SubjectAdapter, attention_layers
from gesso.diffusion.subject_reading import merge_maps, stretch
from gesso.diffusion.subjects import Subject, SubjectFeatures, gather_inside, subject_positions
from gesso.engines.folders import folder_of


def region(seed, mask=None, tokens=7):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(1, tokens, 16, generator=generator)
    grid = torch.ones(90, 90) if mask is None else torch.as_tensor(mask)
    return TextRegion(grid, states, torch.ones(tokens, dtype=torch.bool), ids=torch.arange(tokens))


@pytest.fixture
def model():
    unet = sd15().unet
    install_processor(unet)
    return noise_model(unet), SubjectAdapter(unet).requires_grad_(False)


def subject(region_number=0, seed=5):
    tokens = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(seed))
    return NamedSubject(Subject("boat", tokens, region=region_number), torch.tensor([2]))


STEP = Step(0, 3, torch.tensor(500))


def test_masks_come_from_the_step_before(model):
    noise_of, adapter = model
    guide = SubjectGuide(noise_of, PromptText((region(1),), region(2)), [subject()], adapter, 1)
    assert guide.masks == [None]
    with torch.no_grad():
        first = guide.predict(noise(), STEP).positive
        mask = guide.masks[0].clone()
        second = guide.predict(noise(), STEP).positive
    assert mask.shape == (1, 16, 24)
    assert float(mask.min()) == 0
    assert 0 < float(mask.max()) <= 1
    assert not ((mask > 0) & (mask < 1e-6)).any()
    assert not torch.allclose(first, second)  # the same latents, but now the subject counts where its mask is


def test_a_guide_that_does_not_follow_finds_nothing(model):
    noise_of, adapter = model
    guide = SubjectGuide(
        noise_of, PromptText((region(1),), region(2)), [subject()], adapter, 1, follows=False
    )
    with torch.no_grad():
        first, second = (guide.predict(noise(), STEP).positive for _ in range(2))
    assert guide.masks == [None]
    assert torch.equal(first, second)


def test_a_subject_counts_in_its_region_only(model):
    noise_of, adapter = model
    text = PromptText((region(1), region(3, box(right=30))), region(2))
    named = NamedSubject(subject(1).subject, torch.tensor([9]))
    guide = SubjectGuide(noise_of, text, [named], adapter, 1)
    weights = guide._weights(0, (16, 24))
    assert weights[0, :, :8].all()
    assert not weights[0, :, 8:].any()
    with torch.no_grad():
        guide.predict(noise(), STEP)
    assert not guide._weights(0, (16, 24))[0, :, 8:].any()


def with_features(noise_of):
    layers = {
        attn: (torch.ones(1, attn.heads, 3, attn.to_k.out_features // attn.heads),) * 2
        for name, attn in attention_layers(noise_of.unet).items()
        if name.endswith("attn1")
    }
    return Subject("boat", subject().subject.tokens, SubjectFeatures(layers))


@pytest.mark.parametrize("follows", [True, False])
def test_without_following_the_negative_branch_does_not_look_at_the_reference(model, follows):
    noise_of, adapter = model
    predicted = []
    for who in (subject().subject, with_features(noise_of)):
        named = NamedSubject(who, torch.tensor([2]))
        text = PromptText((region(1),), region(2))
        guide = SubjectGuide(noise_of, text, [named], adapter, 2, follows=follows)
        with torch.no_grad():
            predicted.append(guide.predict(noise().repeat(2, 1, 1, 1), STEP))
    bare, whole = predicted
    assert not torch.allclose(bare.positive, whole.positive)
    assert torch.allclose(bare.negative, whole.negative) is not follows


def test_references_are_not_read_at_the_beginning(model):
    noise_of, adapter = model
    bare = subject().subject
    text = PromptText((region(1),), region(2))
    found = {}
    for timestep in (960, 940):
        for name, who in (("bare", bare), ("whole", with_features(noise_of))):
            guide = SubjectGuide(noise_of, text, [NamedSubject(who, torch.tensor([2]))], adapter, 1)
            with torch.no_grad():
                found[timestep, name] = guide.predict(noise(), Step(0, 3, torch.tensor(timestep))).positive
    assert torch.equal(found[960, "bare"], found[960, "whole"])
    assert not torch.equal(found[940, "bare"], found[940, "whole"])


def test_names_are_found_in_their_regions():
    class Tokenizer:
        def __call__(self, word, **_):
            return type("Ids", (), {"input_ids": [int(word)]})

        def decode(self, ids):
            return str(ids[0])

    cast = Cast(None, (Subject("3", None, region=1), Subject("2 4", None)))
    regions = [region(1), region(2)]
    found = [each.positions.tolist() for each in named_subjects(cast, regions, Tokenizer())]
    assert found == [[10], [2, 4]]
    with pytest.raises(UsageError, match="for region 2, and the canvas has 1"):
        named_subjects(Cast(None, (Subject("3", None, region=2),)), regions, Tokenizer())
    with pytest.raises(UsageError, match="does not contain the subject '9'"):
        named_subjects(Cast(None, (Subject("9", None),)), regions, Tokenizer())


def test_a_noun_is_found_at_the_start_and_behind_a_blank():
    tokenizer = AutoTokenizer.from_pretrained(folder_of("mini-clip"))
    ids = torch.tensor(tokenizer("rabbit on a rabbit in a park", add_special_tokens=False).input_ids)
    found = [tokenizer.decode(ids[place]).strip() for place in subject_positions(tokenizer, ids, "rabbit")]
    assert found == ["rabbit", "rabbit"]


def test_other_guidance_is_refused_by_name():
    assert require_strategy(strategy("none"))
    assert not require_strategy(strategy("attention-scores"))
    for name in ("multidiffusion", "gradient", "attention-decomposition"):
        with pytest.raises(UnsupportedError, match="choose attention-scores or none"):
            require_strategy(strategy(name))


def test_positions_inside_a_mask_are_kept():
    keys = torch.arange(16.0).view(1, 1, 16, 1)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 0:4, 4:8] = 1
    kept, _ = gather_inside(keys, keys, mask, (4, 4))
    assert kept.flatten().tolist() == [2, 3, 6, 7]
    thin = torch.zeros(1, 1, 8, 8)
    thin[..., 3, 3] = 1  # between the pixels that the nearest rule looks at
    kept, _ = gather_inside(keys, keys, thin, (4, 4))
    assert kept.flatten().tolist() == [5]
    nothing, mean = gather_inside(keys, keys, torch.zeros(1, 1, 8, 8), (4, 4))
    assert nothing.flatten().tolist() == [0]
    assert mean.flatten().tolist() == [7.5]


def test_a_map_of_one_value_is_empty():
    flat = torch.full((1, 4, 4), 0.5)
    assert not merge_maps([[flat], [flat]], (4, 4)).any()
    assert stretch(flat, (2, 2)).shape == (1, 1, 4, 1)
