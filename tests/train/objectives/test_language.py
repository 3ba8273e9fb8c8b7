from pathlib import Path

import pytest
import torch
from rich.text import Text
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from gesso.models.base import IGNORE_INDEX
from gesso.storybook.compose import canvas_program
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scene_at
from gesso.storybook.tell import describe
from gesso.train.batching import PackedBatch
from gesso.train.objectives.language import LanguageObjective, answer_loss
from train.conftest import MakeRecipe

Alone = tuple[Tensor, Tensor]


@pytest.fixture
def objective(make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast) -> LanguageObjective:
    torch.manual_seed(0)
    settings = ("data.length=1200", "data.chinese=0", "model.shape.language.initializer_range=0.2")
    return LanguageObjective(make_recipe("language", *settings), tokenizer)


def scene_of_row(number: int) -> Scene:
    """Scene `number` of the recipe in `conftest`."""
    return scene_at("train", 1, number, counts=range(1, 3))


def taken_apart(batch: PackedBatch, end: int) -> list[list[Alone]]:
    """The conversations of each row, ids and labels, as its attention shows them to their end tokens."""
    rows = []
    for ids, labels, attention in zip(batch.ids, batch.labels, batch.attention[:, 0], strict=True):
        row = []
        for last in (labels == end).nonzero().flatten():
            seen = attention[last].nonzero().flatten()
            row.append((torch.cat([ids[seen], labels[last, None]]), labels[seen]))
        rows.append(row)
    return rows


def test_a_row_holds_a_description_once_and_its_tasks_behind_it(objective: LanguageObjective) -> None:
    batch = objective.batch(list(range(14)), 0)
    decode = objective.tokenizer.decode
    rows = taken_apart(batch, objective.tokenizer.eos_token_id)
    for scene, ids, row in zip(map(scene_of_row, range(14)), batch.ids, rows, strict=True):
        story, program = describe(scene), canvas_program(scene)
        if program in decode(ids):
            story = describe(scene, signs=True)
        assert decode(ids).count(story) == 1
        texts = [str(decode(conversation)) for conversation, _ in row]
        if program in decode(ids):
            assert texts == [f"<s>USER: {story} ASSISTANT: {program}</s>"]
        else:
            assert len(texts) > 3
            assert all(text.startswith(f"<s>USER: {story}\n") for text in texts)
    assert {len(row) == 1 for row in rows} == {True, False}


def test_answers_alone_are_learned(objective: LanguageObjective) -> None:
    batch = objective.batch(list(range(4)), 0)
    learned = 0
    for row in taken_apart(batch, objective.tokenizer.eos_token_id):
        for ids, labels in row:
            answer = objective.tokenizer.decode(labels[labels != IGNORE_INDEX])
            assert objective.tokenizer.decode(ids).endswith(f" ASSISTANT:{answer}")
            learned += int((labels != IGNORE_INDEX).sum())
    assert learned == int((batch.labels != IGNORE_INDEX).sum()) == objective.loss(batch)[1]["tokens"]


@torch.no_grad()
def test_packed_rows_learn_what_conversations_learn_alone(objective: LanguageObjective) -> None:
    batch = objective.batch(list(range(4)), 0)
    total, learned = 0.0, 0
    for row in taken_apart(batch, objective.tokenizer.eos_token_id):
        for ids, labels in row:
            logits = objective.module(input_ids=ids[None, :-1]).logits[0]
            total += float(functional.cross_entropy(logits, labels, reduction="sum"))
            learned += int((labels != IGNORE_INDEX).sum())
    assert float(objective.loss(batch)[0]) == pytest.approx(total / learned, rel=1e-5)


def test_tasks_that_do_not_fit_are_left_out_whole(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    counts = {}
    for length in (1200, 160):
        recipe = make_recipe("language", f"data.length={length}", "data.things=1")
        batch = LanguageObjective(recipe, tokenizer).batch([2, 3, 4, 5], 0)
        assert batch.ids.shape[1] <= length
        rows = taken_apart(batch, tokenizer.eos_token_id)
        # every learned token belongs to a conversation that goes on to its end
        whole = sum(int((labels != IGNORE_INDEX).sum()) for row in rows for _, labels in row)
        assert whole == int((batch.labels != IGNORE_INDEX).sum())
        counts[length] = sum(map(len, rows))
    assert 4 < counts[160] < counts[1200]


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


def test_rows_too_short_for_any_answer_teach_nothing(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast
) -> None:
    objective = LanguageObjective(make_recipe("language", "data.length=30"), tokenizer)
    loss, figures = objective.loss(objective.batch([0, 1], 0))
    assert (float(loss.detach()), figures) == (0.0, {"tokens": 0, "right": 0.0})


def test_a_model_learns_a_batch_by_heart(make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast) -> None:
    torch.manual_seed(0)
    objective = LanguageObjective(make_recipe("language"), tokenizer)
    batch = objective.batch([0], 0)
    optimizer = torch.optim.Adam(objective.parts["language"].parameters(), lr=2e-2)
    for _ in range(80):
        loss, figures = objective.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures["right"] > 0.95


def test_a_run_can_go_on_from_a_language_model(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast, objective: LanguageObjective, tmp_path: Path
) -> None:
    objective.save(tmp_path / "lm")
    recipe = make_recipe("language", f"model.init={tmp_path.as_posix()}/lm", "model.shape={}")
    again = LanguageObjective(recipe, tokenizer)
    for weight, other in zip(objective.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(weight, other)


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


def test_examples_are_shown_with_their_answers_in_green(objective: LanguageObjective) -> None:
    for example in range(6):
        text = Text.from_markup(objective.show(example))
        story = describe(scene_of_row(example))
        conversations = text.plain.split("</s>\n")
        assert all(shown.startswith(f"<s>USER: {story}") for shown in conversations)
        assert text.plain.endswith("</s>")
        green = "".join(text.plain[span.start : span.end] for span in text.spans if span.style == "green")
        answers = [shown.removesuffix("</s>").split(" ASSISTANT:")[1] for shown in conversations]
        assert green == "".join(f"{answer}</s>" for answer in answers)
