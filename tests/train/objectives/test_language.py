from pathlib import Path

import pytest
import torch
from rich.text import Text
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from gesso.models.base import IGNORE_INDEX
from gesso.train.objectives.language import LanguageObjective, answer_loss
from train.conftest import MakeRecipe


@pytest.fixture
def objective(make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast) -> LanguageObjective:
    torch.manual_seed(0)
    return LanguageObjective(make_recipe("language", "data.length=700", "data.chinese=0"), tokenizer)


def test_rows_are_filled_with_whole_conversations(objective: LanguageObjective) -> None:
    batch = objective.batch([0, 1, 2, 3], 0)
    rows, length = batch.ids.shape
    assert rows == 4
    assert length <= 700
    start = objective.tokenizer.bos_token_id
    starts = [(batch.positions[row] == 0) & (batch.ids[row] == start) for row in range(rows)]
    assert max(int(row.sum()) for row in starts) > 1  # several conversations in one row
    for row, first in zip(batch.ids, starts, strict=True):
        texts = objective.tokenizer.decode(row[row != objective.tokenizer.pad_token_id]).split("<s>")[1:]
        assert len(texts) == int(first.sum())
        assert all(text.startswith("USER: ") for text in texts)
        assert all(text.endswith("</s>") for text in texts) or len(texts) == 1  # one that is too long is cut


def test_every_token_but_the_first_is_learned(objective: LanguageObjective) -> None:
    batch = objective.batch([0], 0)
    following = torch.cat([batch.ids[0, 1:], torch.tensor([0])])
    last = torch.cat([batch.positions[0, 1:] == 0, torch.tensor([True])])
    assert torch.equal(batch.labels[0], torch.where(last, torch.tensor(IGNORE_INDEX), following))


def test_texts_differ_from_one_micro_batch_to_the_next(objective: LanguageObjective) -> None:
    first, again, later = (objective.batch([2, 3], number).ids for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.shape != later.shape or not torch.equal(first, later)


def test_conversations_longer_than_a_row_are_cut(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    objective = LanguageObjective(make_recipe("language", "data.length=40"), tokenizer)
    assert objective.batch([0, 1], 0).ids.shape == (2, 40)


def test_conversations_longer_than_the_model_takes_are_cut_too(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    settings = ("data.length=40", "model.shape.language.max_position_embeddings=40")
    objective = LanguageObjective(make_recipe("language", *settings), tokenizer)
    assert objective.batch([0, 1], 0).ids.shape == (2, 40)


def test_the_loss_is_the_mean_over_the_labelled_positions(objective: LanguageObjective) -> None:
    batch = objective.batch([0, 1], 0)
    loss, figures = objective.loss(batch)
    logits = objective.module(
        inputs_embeds=objective.module.get_input_embeddings()(batch.ids),
        attention_mask=torch.where(batch.attention, 0.0, torch.finfo(torch.float32).min),
        position_ids=batch.positions,
    ).logits
    learned = batch.labels != IGNORE_INDEX
    chances = logits.log_softmax(-1)[learned].gather(1, batch.labels[learned][:, None])
    assert float(loss.detach()) == pytest.approx(-float(chances.mean().detach()), rel=1e-5)
    right = (logits.argmax(-1)[learned] == batch.labels[learned]).float().mean()
    assert figures == {"tokens": int(learned.sum()), "right": pytest.approx(float(right))}


def test_a_model_learns_a_batch_by_heart(make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast) -> None:
    torch.manual_seed(0)
    objective = LanguageObjective(make_recipe("language", "data.length=48"), tokenizer)
    batch = objective.batch([0], 0)
    optimizer = torch.optim.Adam(objective.parts["language"].parameters(), lr=2e-2)
    for _ in range(80):
        loss, figures = objective.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures["right"] > 0.95


def test_what_is_saved_is_a_llama_with_its_tokenizer(objective: LanguageObjective, tmp_path: Path) -> None:
    objective.save(tmp_path / "lm")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "lm").eval()
    model.set_attn_implementation("eager")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "lm")
    batch = objective.batch([0], 0)
    with torch.no_grad():
        again = answer_loss(model, model.get_input_embeddings()(batch.ids), batch)[0]
        loss = objective.loss(batch)[0]
    assert float(again) == pytest.approx(float(loss), rel=1e-6)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert tokenizer("USER: hi")["input_ids"] == objective.tokenizer("USER: hi")["input_ids"]
    assert model.config.eos_token_id == tokenizer.eos_token_id


def test_an_example_is_shown_whole(objective: LanguageObjective) -> None:
    shown = [Text.from_markup(objective.show(example)).plain for example in range(6)]
    assert all(text.startswith("<s>USER: ") for text in shown)
    assert any("canvas = Canvas()" in text and "detailed_descriptions=[]" in text for text in shown)
    assert any(text.endswith("</s>") for text in shown)
