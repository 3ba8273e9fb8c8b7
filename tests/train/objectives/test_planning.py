import copy
from pathlib import Path

import pytest
import torch
from rich.text import Text
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
from gesso.config.schema import DataSettings
from gesso.engines.builders import builder_for
from gesso.models.base import IGNORE_INDEX, Encoded
from gesso.models.causal import load_language_model
from gesso.storybook.compose import canvas_program
from gesso.train.canvas_tokens import add_canvas_tokens
from gesso.train.objectives.planning import PlanningObjective, fill_rows
from gesso.train.plans import StorybookPlans
from train.conftest import MakeRecipe

LENGTH = 1500


@pytest.fixture
def objective(make_recipe: MakeRecipe) -> PlanningObjective:
    model, tokenizer = tiny.llama(positions=4096), copy.deepcopy(tiny.tokenizer())
    add_canvas_tokens(model, tokenizer)
    recipe = make_recipe("planning", f"data.length={LENGTH}", "data.edits=1", "data.things=1")
    model.set_attn_implementation("eager")
    return PlanningObjective(recipe, model, tokenizer, StorybookPlans(recipe.data))


def test_every_answer_is_learned_and_nothing_else(objective: PlanningObjective) -> None:
    source = objective.source
    assert isinstance(source, StorybookPlans)
    batch = objective.batch([0, 1, 2], 4)
    learned = str(objective.tokenizer.decode(batch.labels[batch.labels != IGNORE_INDEX]))
    programs = []
    for example in range(3):
        task = source.task(example, 4)
        programs += [canvas_program(scene, task.language) for scene in task.scenes]
    assert sorted(learned.split("</s>")) == sorted(["", *(f" {program}" for program in programs)])
    assert objective.loss(batch)[1]["tokens"] == int((batch.labels != IGNORE_INDEX).sum())


@torch.no_grad()
def test_packed_conversations_learn_what_they_learn_alone(objective: PlanningObjective) -> None:
    batch = objective.batch([0, 1, 2], 0)
    assert len(batch.ids) < 3
    total, learned = 0.0, 0
    for example in range(3):
        encoded = objective.encoder.whole(objective.source.messages(example, 0))
        ids = torch.tensor(encoded.ids)
        labels = torch.where(torch.tensor(encoded.supervised), ids, IGNORE_INDEX)[1:]
        logits = objective.module(input_ids=ids[None, :-1]).logits[0]
        total += float(functional.cross_entropy(logits, labels, reduction="sum"))
        learned += int((labels != IGNORE_INDEX).sum())
    assert float(objective.loss(batch)[0]) == pytest.approx(total / learned, rel=1e-4)


def test_rows_are_filled_and_hold_every_conversation_once() -> None:
    sizes = (30, 70, 20, 60, 10)
    conversations = [Encoded((0, *range(100 * n, 100 * n + size - 1)), (False,) * (size - 1) + (True,))
                     for n, size in enumerate(sizes, 1)]  # fmt: skip
    rows = fill_rows(conversations, 100)
    assert len(rows) == 2
    assert all(len(row.ids) <= 100 for row in rows)
    found = [set(row.ids[row.branches == branch]) for row in rows for branch in range(row.branches.max() + 1)]
    for conversation in conversations:
        assert any(set(conversation.ids[1:]) <= tokens for tokens in found)
    assert sum(int((row.labels != IGNORE_INDEX).sum()) for row in rows) == len(sizes)


def test_a_longer_context_than_the_model_s_is_not_used(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("planning", "data.length=900")
    source = StorybookPlans(DataSettings(count=4))
    objective = PlanningObjective(recipe, tiny.llama(positions=128), tiny.tokenizer(), source)
    assert objective.batch([0], 0).ids.shape == (1, 128)
    assert objective.examples == 4


def test_an_example_is_shown_with_its_answers_in_colour(objective: PlanningObjective) -> None:
    shown = Text.from_markup(objective.show(0))
    assert "ASSISTANT:" in shown.plain
    green = "".join(shown.plain[span.start : span.end] for span in shown.spans if span.style == "green")
    assert "canvas.add_local_description" in green
    assert "USER" not in green


def test_a_saved_model_is_a_folder_of_transformers(objective: PlanningObjective, tmp_path: Path) -> None:
    objective.save(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    program = canvas_program(StorybookPlans(DataSettings()).task(0, 0).scene)
    assert tokenizer(program)["input_ids"] == objective.tokenizer(program)["input_ids"]
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config.vocab_size == len(tokenizer)
    assert dict(objective.parts) == {"language": objective.module}


def test_a_saved_model_is_known_as_a_planner_and_so_is_what_is_trained_from_it(
    objective: PlanningObjective, tmp_path: Path
) -> None:
    objective.save(tmp_path / "sft")
    assert builder_for(tmp_path / "sft") == "gesso.engines.plan_build:build_planner"
    model = load_language_model(tmp_path / "sft", dtype=torch.float32, device=torch.device("cpu"))
    model.save_pretrained(tmp_path / "dpo")
    assert builder_for(tmp_path / "dpo") == "gesso.engines.plan_build:build_planner"
