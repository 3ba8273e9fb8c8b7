from pathlib import Path
from random import Random

import pytest
import torch
from rich.text import Text
from transformers import AutoTokenizer, CLIPTextModelWithProjection, PreTrainedTokenizerFast

from gesso.core.errors import ConfigError
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, PLACES, SIZES, Scene, Thing
from gesso.storybook.words import words_of
from gesso.train.objectives.text_facts import FACTS, story
from train.conftest import MakeRecipe
from train.learning import learn
from train.painting import text_facts

FISH = Thing("fish", "red", "striped", "blue", "small", "on the left", "no offset", 2.0)
TREE = Thing("tree", "green", "plain", None, "large", "on the right", "no offset", 3.0)
SCENE = Scene(0, "sea", (FISH, TREE))
UNTOLD = -100


def facts(thing: Thing, *, located: bool) -> tuple[int, ...]:
    return (
        PLACES.index("sea"),
        KINDS.index(thing.kind),
        COLOURS.index(thing.colour),
        PATTERNS.index(thing.pattern),
        0 if thing.second_colour is None else 1 + COLOURS.index(thing.second_colour),
        list(SIZES).index(thing.size),
        FACTS["location"].index(thing.location) if located else UNTOLD,
    )


def test_stories_are_what_painters_get() -> None:
    seen = set()
    for seed in range(40):
        told = story(SCENE, Random(seed), words_of("en"))
        assert told[0] == ("in the sea", (PLACES.index("sea"), *[UNTOLD] * 6))
        sentence = told[1][0]
        if sentence == "a small red fish with blue stripes":
            assert told[1][1] == facts(FISH, located=False)
            assert [text for text, _ in told[2:]] == ["fish", "calm", "storybook", "clean"]
            assert {known for _, known in told[1:]} == {told[1][1]}
        elif sentence == "On the right is a large green tree":
            assert told[1][1] == facts(TREE, located=True)
        seen.add(sentence)
    assert seen == {
        "storybook",
        "a small red fish with blue stripes",
        "a large green tree",
        "On the left is a small red fish with blue stripes",
        "On the right is a large green tree",
    }


def test_a_token_knows_what_was_told_up_to_it(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    objective = text_facts(make_recipe, tokenizer)
    batch = objective.batch(list(range(8)), number=3)
    assert batch.ids.shape == (8, 60)
    assert batch.facts.shape == (8, 60, len(FACTS))
    for ids, told in zip(batch.ids.tolist(), batch.facts.tolist(), strict=True):
        end = ids.index(objective.tokenizer.eos_token_id)
        assert told[0] == [UNTOLD] * 7
        assert told[end:] == [told[end - 1]] * (60 - end)  # all of padding knows what the text has told
        told_places = {row[0] for row in told} - {UNTOLD}
        assert len(told_places) == 1


def test_the_middle_of_a_sentence_is_not_asked(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    objective = text_facts(make_recipe, tokenizer)
    lines = Text.from_markup(objective.show(0)).plain.splitlines()
    told = [line.split(": ", 1) for line in lines]
    stops = [known for token, known in told if token == "'.'"]
    assert all(stops)
    assert not told[0][1]
    assert any(not known for _, known in told[1:])


def test_the_encoder_learns_and_is_saved_without_its_head(
    make_recipe: MakeRecipe, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    objective = text_facts(make_recipe, tokenizer)
    batch = objective.batch([0, 1, 2], 0)
    told = learn(objective, batch, 15, 5e-3, objective.parts["text"].parameters())
    assert told[-1]["loss"] < 0.6 * told[0]["loss"]
    assert told[-1]["right"] > 0.5
    objective.save(tmp_path / "text")
    encoder = CLIPTextModelWithProjection.from_pretrained(tmp_path / "text")
    own = objective.encoder.state_dict()
    assert encoder.state_dict().keys() == own.keys()
    assert all(torch.equal(weight, own[name]) for name, weight in encoder.state_dict().items())
    assert AutoTokenizer.from_pretrained(tmp_path / "text").get_vocab() == objective.tokenizer.get_vocab()


def test_every_layer_learns(make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast) -> None:
    objective = text_facts(make_recipe, tokenizer)
    objective.loss(objective.batch([0, 1], 0))[0].backward()
    assert all(
        parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        for name, parameter in objective.encoder.named_parameters()
        if "k_proj.bias" not in name  # adds the same to all scores
    )


def test_a_clips_tokenizer_is_taken_as_it_is(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    first = text_facts(make_recipe, tokenizer)
    second = text_facts(make_recipe, first.tokenizer)
    assert second.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    assert first.tokenizer.eos_token_id == len(first.tokenizer) - 1


def test_texts_longer_than_the_encoder_are_refused(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(ConfigError, match=r"data\.length is 78; the text encoder has 77 positions"):
        text_facts(make_recipe, tokenizer, "data.length=78")
