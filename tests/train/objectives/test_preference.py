import json
from math import exp, log
from pathlib import Path

import pytest
import torch
from rich.text import Text
from torch import Tensor

import tiny
from gesso.core.errors import TrainingError
from gesso.core.messages import assistant, user
from gesso.models.base import IGNORE_INDEX
from gesso.train.objectives.preference import PreferenceObjective, answer_log_probs, dpo_loss
from train.conftest import MakeRecipe

LINES = [
    {
        "prompt": [{"role": "user", "content": "the red fish"}, {"role": "assistant", "content": "a fish"},
                   {"role": "user", "content": "make it blue"}],
        "chosen": [{"role": "assistant", "content": "a blue fish swims"}],
        "rejected": [{"role": "assistant", "content": "a red house"}],
    },
    {
        "prompt": [{"role": "user", "content": "how many birds?"}],
        "chosen": [{"role": "assistant", "content": "three"}],
        "rejected": [{"role": "assistant", "content": "three hundred birds are there, at the left"}],
    },
]  # fmt: skip


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    return path


def build(make_recipe: MakeRecipe, pairs: Path, *settings: str) -> PreferenceObjective:
    recipe = make_recipe("preference", "data.source=messages", f"data.path={pairs.as_posix()}", *settings)
    model = tiny.llama()
    model.set_attn_implementation("eager")
    return PreferenceObjective(recipe, model, tiny.tokenizer())


def alone(
    objective: PreferenceObjective, line: dict[str, list[dict[str, str]]], name: str
) -> tuple[Tensor, int]:
    """Log-probability of one answer, the plain way: the whole conversation by itself."""
    said = [
        (user if m["role"] == "user" else assistant)(m["content"]) for m in (*line["prompt"], *line[name])
    ]
    whole, prompt = objective.encoder.uncut(said), objective.encoder.prompt(said[:-1])
    ids = torch.tensor(whole.ids)
    begin = len(prompt.ids)
    with torch.no_grad():
        log_probs = objective.module(input_ids=ids[None]).logits[0].log_softmax(-1)
    return log_probs[begin - 1 : -1].gather(1, ids[begin:, None]).sum(), len(ids) - begin


def test_the_loss_is_that_of_the_paper() -> None:
    """Two pairs by hand: beta 0.5, log-ratios (1, -1) and (-2, 0.4)."""
    policy = torch.tensor([[-10.0, -12.0], [-7.0, -5.0]])
    reference = torch.tensor([[-11.0, -11.0], [-5.0, -5.4]])
    losses = dpo_loss(0.5 * (policy - reference))
    first, second = 0.5 * (1 - -1), 0.5 * (-2 - 0.4)
    assert losses.tolist() == pytest.approx([log(1 + exp(-first)), log(1 + exp(-second))], rel=1e-6)
    assert losses.tolist() == pytest.approx([0.3132617, 1.4632825], rel=1e-6)


def test_a_model_that_is_its_reference_has_the_loss_of_chance(make_recipe: MakeRecipe, pairs: Path) -> None:
    objective = build(make_recipe, pairs)
    loss, figures = objective.loss(objective.batch([0, 1], 0))
    assert float(loss.detach()) == pytest.approx(log(2))
    assert (figures["margin"], figures["accuracy"], figures["chosen"]) == (0.0, 0.0, 0.0)


def test_answers_packed_behind_one_prompt_have_the_probabilities_they_have_alone(
    make_recipe: MakeRecipe, pairs: Path
) -> None:
    objective = build(make_recipe, pairs)
    batch = objective.batch([0, 1], 0)
    assert len(batch.rows.ids) == 2
    sums, counts = answer_log_probs(objective.module, batch)
    for row, line in enumerate(LINES):
        for column, name in enumerate(("chosen", "rejected")):
            value, length = alone(objective, line, name)
            assert float(sums[row, column].detach()) == pytest.approx(float(value), rel=1e-4)
            assert int(counts[row, column]) == length


def test_earlier_answers_are_not_learned(make_recipe: MakeRecipe, pairs: Path) -> None:
    objective = build(make_recipe, pairs)
    labels = objective.batch([0], 0).rows.labels
    learned = objective.tokenizer.decode(labels[labels != IGNORE_INDEX])
    assert learned == " a blue fish swims</s> a red house</s>"


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("sft", [0.0, 0.7])
def test_length_and_chosen_answers_enter_as_the_settings_say(
    make_recipe: MakeRecipe, pairs: Path, normalise: bool, sft: float
) -> None:
    settings = (f"preference.normalise={normalise}", f"preference.sft={sft}", "preference.beta=0.3")
    objective = build(make_recipe, pairs, *settings)
    objective.module.load_state_dict(tiny.llama(seed=3).state_dict())  # away from the reference
    batch = objective.batch([0, 1], 0)
    with torch.no_grad():
        policy, lengths = answer_log_probs(objective.module, batch)
    reference, _ = answer_log_probs(objective.reference, batch)
    expected, chosen = 0.0, 0.0
    for row in range(2):
        ratios = [float(policy[row, n] - reference[row, n]) for n in (0, 1)]
        if normalise:
            ratios = [ratio / float(lengths[row, n]) for n, ratio in enumerate(ratios)]
        expected += log(1 + exp(-0.3 * (ratios[0] - ratios[1]))) / 2
        chosen -= float(policy[row, 0])
    expected += sft * chosen / float(lengths[:, 0].sum())
    loss, figures = objective.loss(batch)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    assert figures["tokens"] == float(lengths.sum())
    assert 0 <= figures["accuracy"] <= 1


def test_learning_prefers_the_better_answers_and_leaves_the_reference(
    make_recipe: MakeRecipe, pairs: Path
) -> None:
    objective = build(make_recipe, pairs)
    before = {name: value.clone() for name, value in objective.reference.state_dict().items()}
    batch = objective.batch([0, 1], 0)
    optimizer = torch.optim.SGD(objective.module.parameters(), lr=0.01)
    for _ in range(4):
        loss, _ = objective.loss(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    final, figures = objective.loss(batch)
    assert float(final.detach()) < log(2)
    assert figures["accuracy"] == 1.0
    assert figures["margin"] > 0
    assert all(torch.equal(before[name], value) for name, value in objective.reference.state_dict().items())
    assert not any(parameter.requires_grad for parameter in objective.reference.parameters())


def test_rows_hide_their_padding(make_recipe: MakeRecipe, pairs: Path) -> None:
    objective = build(make_recipe, pairs)
    together, single = objective.batch([0, 1], 0), objective.batch([1], 0)
    assert (together.answers == -1).any()
    sums = answer_log_probs(objective.module, together)[0][1]
    assert torch.allclose(sums, answer_log_probs(objective.module, single)[0][0], rtol=1e-4)


def test_prompts_without_room_for_answers_are_refused(make_recipe: MakeRecipe, pairs: Path) -> None:
    with pytest.raises(TrainingError, match=r"leaves no room for its answers; rows and model take 12"):
        build(make_recipe, pairs, "data.length=12").batch([0], 0)


def test_answers_that_are_too_long_are_cut(make_recipe: MakeRecipe, pairs: Path) -> None:
    whole = build(make_recipe, pairs)
    longest = len(whole.encoder.uncut([user("how many birds?"), assistant("three")]).ids)
    objective = build(make_recipe, pairs, f"data.length={longest}")
    counts = answer_log_probs(objective.module, objective.batch([1], 0))[1]
    assert counts[0, 0] == counts[0, 1]


def test_both_answers_are_shown(make_recipe: MakeRecipe, pairs: Path) -> None:
    shown = Text.from_markup(build(make_recipe, pairs).show(1))
    assert shown.plain.index("three") < shown.plain.index("rejected") < shown.plain.index("hundred")
    green = [shown.plain[span.start : span.end] for span in shown.spans if span.style == "green"]
    assert "three" in "".join(green)
    assert "USER" not in "".join(green)
