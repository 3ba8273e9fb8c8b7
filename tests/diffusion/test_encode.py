"""Text states: those of the fixture, and which states which kind of model reads."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from diffusion.tiny_paint import PIPELINE, WHOLE, box, sd15, sdxl
from gesso.canvas.parse import read_canvas
from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.conditions import PromptText, RegionPrompt, prompts_of, read_mask
from gesso.diffusion.encode import PromptEncoder

BAGS = PIPELINE.parent / "prompt-bags"


@pytest.fixture(scope="module")
def original():
    """The encoders of the fixture, whose second has no projection, as the original loads it."""
    stored = load_file(BAGS / "weights.safetensors")
    settings = json.loads((BAGS / "case.json").read_text())["config"]
    encoders, tokenizers = [], []
    for number in ("", "_2"):
        prefix = f"text_encoder{number}.text_model."
        encoder = CLIPTextModel(CLIPTextConfig(**settings[f"text_encoder{number}"])).eval()
        encoder.load_state_dict(
            {k.removeprefix(prefix): t for k, t in stored.items() if k.startswith(prefix)}
        )
        encoders.append(encoder)
        tokenizers.append(AutoTokenizer.from_pretrained(BAGS / f"tokenizer{number}"))
    return PromptEncoder(tuple(tokenizers), tuple(encoders))


def test_states_are_the_originals(original):
    expected = load_file(BAGS / "expected.safetensors")
    for case in json.loads((BAGS / "expected.json").read_text())["cases"]:
        prompt = RegionPrompt(box(), tuple(case["prefixes"]), tuple(case["suffixes"]))
        if f"{case['id']}.pooler" not in expected:
            continue
        found = original.region(prompt, "unprojected")
        torch.testing.assert_close(found.pooled, expected[f"{case['id']}.pooler"], rtol=0, atol=5e-5)
        sums = expected[f"{case['id']}.cond_row_sums"]
        torch.testing.assert_close(found.states.sum(dim=2), sums, rtol=1e-4, atol=5e-5)
        if f"{case['id']}.cond" in expected:
            torch.testing.assert_close(found.states, expected[f"{case['id']}.cond"], rtol=0, atol=5e-5)


def test_sdxl_reads_both_encoders_before_their_last_layer():
    text = sdxl().text
    found = text.plain("A red boat.", torch.ones(90, 90))
    ids = text.tokenizers[0](
        "A red boat.", padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        first = text.encoders[0](ids, output_hidden_states=True).hidden_states[-2]
    torch.testing.assert_close(found.states[..., :16], first)
    assert found.states.shape == (1, 77, 40)


def test_the_pooled_state_is_projected_or_not():
    text = sdxl().text
    projected, plain = (
        text.plain("A red boat.", torch.ones(90, 90), kind).pooled for kind in ("projected", "unprojected")
    )
    with torch.no_grad():
        torch.testing.assert_close(projected, text.encoders[1].text_projection(plain))
    assert not torch.allclose(projected, plain)


def test_a_projection_that_is_not_there_is_asked_for_in_vain(original):
    with pytest.raises(UnsupportedError, match="no text projection"):
        original.region(WHOLE, "projected")


def test_sd15_reads_the_last_states_and_no_pooled_one():
    text = sd15().text
    found = text.plain("A red boat.", torch.ones(90, 90))
    ids = text.tokenizers[0](
        "A red boat.", padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        torch.testing.assert_close(found.states, text.encoders[0](ids).last_hidden_state)
    assert found.pooled is None


def test_windows_are_joined_and_words_marked():
    text = sd15().text
    sentences = tuple("Wooden boats along the pier near the rocks." for _ in range(12))
    found = text.region(RegionPrompt(box(), ("A quiet harbour.",), sentences))
    windows = found.states.shape[1] // 77
    assert windows > 1
    words = found.words.view(windows, 77)
    assert not words[:, 0].any()
    lengths = words.sum(dim=1)
    # words stand together behind the begin token
    assert all(words[row, 1 : 1 + length].all() for row, length in enumerate(lengths.tolist()))
    assert 0 < lengths.min() <= lengths.max() <= 75


def test_a_text_too_long_is_cut():
    text = sd15().text
    assert text.plain("boats " * 200, torch.ones(90, 90)).words.sum() == 75


def test_parts_must_be_one_or_two():
    text = sdxl().text
    with pytest.raises(UnsupportedError, match="2 text encoders with 1 tokenizers"):
        PromptEncoder(text.tokenizers[:1], text.encoders)


def test_a_tokenizer_without_padding_is_refused():
    text = sd15().text
    tokenizer = AutoTokenizer.from_pretrained(PIPELINE / "tokenizer")
    tokenizer.pad_token = None
    with pytest.raises(UnsupportedError, match="padding None"):
        PromptEncoder((tokenizer,), text.encoders).plain("boat", torch.ones(90, 90))


@pytest.mark.parametrize(
    ("mask", "message"),
    [([0.0, 1.0], "a mask of shape"), ([[0.0, 2.0]], "values from 0.0 to 2.0"), ([[float("nan")]], "0..1")],
)
def test_masks_are_grids_of_shares(mask, message):
    with pytest.raises(UsageError, match=message):
        read_mask(mask)


def test_every_cell_must_have_a_text():
    left = sd15().text.region(RegionPrompt(box(right=40), ("boat",)))
    with pytest.raises(UsageError, match="4500 of 8100 cells"):
        PromptText((left,), None)
    with pytest.raises(UsageError, match="no region came"):
        PromptText((), None)


def test_a_canvas_gives_its_prompts():
    reply = json.loads((PIPELINE / "inputs.json").read_text())["reply"]
    prompts = prompts_of(read_canvas(reply).canvas)
    assert [read_mask(prompt.mask).sum().item() for prompt in prompts[:1]] == [8100]
    assert all(prompt.prefixes[0] == "A quiet harbour at dawn." for prompt in prompts)
    assert {prompt.prefixes[-1] for prompt in prompts[1:]} == {"A white lighthouse.", "A red fishing boat."}
