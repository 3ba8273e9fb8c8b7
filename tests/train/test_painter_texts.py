from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from gesso.canvas.vocabulary import GRID
from gesso.core.errors import ConfigError
from gesso.diffusion.conditions import RegionPrompt
from gesso.storybook.splits import scene_at
from gesso.train.painter_texts import PainterTexts
from gesso.train.prompts import Windows, conditions
from train.conftest import MakeRecipe
from train.painting import UNET, painter_parts

WHOLE = [[1.0] * GRID] * GRID


@pytest.fixture
def texts(make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> PainterTexts:
    parts = painter_parts(make_recipe, tmp_path, tokenizer)
    return PainterTexts.load(make_recipe("diffusion", UNET, *parts)).eval()


def test_states_are_those_the_painter_reads(texts: PainterTexts) -> None:
    windows = Windows(texts.tokenizer, 77)
    told = [conditions(scene_at("train", 1, number), "en", "regions")[-1] for number in range(2)]
    made = [windows.of(one) for one in told]
    counts = torch.tensor([len(each) for each in made])
    ids = torch.tensor([window for each in made for window in each])
    states, pooled = texts(ids, counts, torch.tensor([True, False]))
    painter = texts.encoder(77)
    starts = counts.cumsum(0) - counts
    for number, one in enumerate(told):
        prompt = RegionPrompt(WHOLE, one.prefixes, one.suffixes)
        region = painter.region(prompt, "projected" if number == 0 else "unprojected")
        own = states[starts[number] : starts[number] + counts[number]]
        torch.testing.assert_close(own.flatten(0, 1)[None], region.states, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(pooled[number : number + 1], region.pooled, rtol=1e-4, atol=1e-5)


def test_the_saved_tokenizers_begin_and_end_texts_and_tell_the_window(texts: PainterTexts) -> None:
    first, second = texts.encoder(32).tokenizers
    assert first is not second
    for tokenizer in (first, second):
        assert tokenizer.model_max_length == 32
        ids = tokenizer("a red fish", padding="max_length", truncation=True)["input_ids"]
        assert len(ids) == 32
        assert ids[0] == tokenizer.bos_token_id
        assert ids[ids.index(tokenizer.eos_token_id) + 1 :].count(tokenizer.pad_token_id) == 32 - (
            ids.index(tokenizer.eos_token_id) + 1
        )
        assert len(tokenizer("fish " * 60, truncation=True)["input_ids"]) == 32


def test_encoders_with_other_tokenizers_are_refused(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    parts = painter_parts(make_recipe, tmp_path, tokenizer)
    text = tmp_path / "text" / "tokenizer.json"
    text.write_text(text.read_text(encoding="utf-8").replace('"<pad>"', '"<fill>"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="cut texts differently"):
        PainterTexts.load(make_recipe("diffusion", *parts))


@pytest.mark.parametrize("name", ["text_encoder", "text_encoder_2"])
def test_encoders_that_are_not_there_are_named(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast, name: str
) -> None:
    parts = painter_parts(make_recipe, tmp_path, tokenizer)
    with pytest.raises(ConfigError, match=rf"model\.{name} nowhere is no folder"):
        PainterTexts.load(make_recipe("diffusion", *parts, f"model.{name}=nowhere"))


def test_encoders_that_borrow_their_weights_are_refused(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    parts = painter_parts(make_recipe, tmp_path, tokenizer)
    (tmp_path / "text" / "shared.json").write_text("{}")
    with pytest.raises(ConfigError, match="borrows its weights; give the folder it borrows from"):
        PainterTexts.load(make_recipe("diffusion", *parts))
