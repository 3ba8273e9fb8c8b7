import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

import tiny
from gesso.config.schema import PreferenceSettings, Recipe
from gesso.core.errors import TrainingError
from gesso.core.messages import assistant
from gesso.core.results import Answer, Usage
from gesso.models.base import Encoded
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import scene_at
from gesso.train import pair_sampling
from gesso.train.pair_sampling import SampledPairs, answer_score, choose_pair
from gesso.train.planners import ConversationEncoder
from gesso.train.plans import StorybookPlans, Task
from train.conftest import MakeRecipe

WRONG = "```python\ncanvas = Canvas()\ncanvas.set_global_description('nowhere', [], '', 'snow')\n```"
BROKEN = "I cannot paint"


@pytest.fixture
def recipe(make_recipe: MakeRecipe, tmp_path: Path) -> Recipe:
    tiny.llama_folder(tmp_path / "start")
    settings = (
        f"model.init={tmp_path.as_posix()}/start",
        "data.count=11",
        "data.edits=0.5",
        "data.length=4000",
    )
    return make_recipe("preference", *settings)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A model that knows the answer, now and then; the list fills with the wishes it is asked."""
    numbers: list[int] = []

    def answers(self: SampledPairs, wishes: Sequence[int], prompts: Sequence[Encoded]) -> list[list[str]]:
        numbers.extend(wishes)
        tasks = [self._source.task(wish, 0) for wish in wishes]
        right = [task.messages()[-1].text for task in tasks]
        # every third wish is answered in one way only, which leaves nothing to prefer
        return [
            [text] if wish % 3 == 0 else [BROKEN, text, WRONG]
            for wish, text in zip(wishes, right, strict=True)
        ]

    monkeypatch.setattr(SampledPairs, "_answers", answers)
    return numbers


def sampled(recipe: Recipe, samples: int = 3, positions: int = 4096) -> SampledPairs:
    tokenizer = tiny.tokenizer()
    encoder = ConversationEncoder(tokenizer, None, min(recipe.data.length, positions))
    settings = PreferenceSettings(samples=samples, max_new_tokens=5)
    return SampledPairs(recipe, settings, tiny.llama(positions=positions), tokenizer, encoder)


def of_rank(monkeypatch: pytest.MonkeyPatch, rank: int, processes: int) -> None:
    state = SimpleNamespace(
        process_index=rank,
        num_processes=processes,
        is_main_process=rank == 0,
        device="cpu",
        wait_for_everyone=lambda: None,
    )
    monkeypatch.setattr(pair_sampling, "PartialState", lambda: state)


def test_wishes_with_answers_of_different_quality_become_pairs(recipe: Recipe, asked: list[int]) -> None:
    pairs = sampled(recipe)
    assert len(pairs) == 7
    assert asked == list(range(11))
    source = StorybookPlans(recipe.data)
    for index, wish in enumerate(n for n in range(11) if n % 3):
        messages = source.task(wish, 0).messages()
        pair = pairs.pair(index)
        assert pair.prompt == messages[:-1]
        assert pair.chosen == messages[-1]
        assert pair.rejected in (assistant(BROKEN), assistant(WRONG))
    assert len(asked) == 11


def test_nothing_is_asked_twice_and_more_wishes_may_be_asked(
    recipe: Recipe, asked: list[int], make_recipe: MakeRecipe
) -> None:
    assert len(sampled(recipe)) == 7
    assert len(sampled(recipe)) == 7
    assert asked == list(range(11))
    more = make_recipe("preference", f"model.init={recipe.model.init}", "data.count=13", "data.length=4000")
    assert len(sampled(more)) == 8
    assert asked == list(range(13))


def test_an_interrupted_stage_goes_on_behind_its_last_whole_line(recipe: Recipe, asked: list[int]) -> None:
    whole = [sampled(recipe).pair(n) for n in range(7)]
    path = Path(recipe.run.out) / "pairs-0.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:4]) + lines[4][:20], "utf-8")
    asked.clear()
    again = sampled(recipe)
    assert [again.pair(n) for n in range(7)] == whole
    assert asked == list(range(4, 11))


def test_processes_share_the_work_and_find_the_same_pairs(
    recipe: Recipe, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_rank(monkeypatch, 1, 2)
    len(sampled(recipe))
    assert asked == [1, 3, 5, 7, 9]
    of_rank(monkeypatch, 0, 2)
    pairs = sampled(recipe)
    assert len(pairs) == 7
    assert asked == [1, 3, 5, 7, 9, 0, 2, 4, 6, 8, 10]
    assert {path.name for path in Path(recipe.run.out).iterdir()} == {
        "pairs.json",
        "pairs-0.jsonl",
        "pairs-1.jsonl",
    }
    prompts = [pairs.pair(n).prompt for n in range(7)]
    source = StorybookPlans(recipe.data)
    assert prompts == [source.task(wish, 0).messages()[:-1] for wish in range(11) if wish % 3]


def test_pairs_of_another_start_or_other_settings_are_not_gone_on_with(
    recipe: Recipe, asked: list[int], tmp_path: Path
) -> None:
    len(sampled(recipe))
    with pytest.raises(TrainingError, match="sampled with another sampling; delete them"):
        len(sampled(recipe, samples=4))
    tiny.llama(seed=9).save_pretrained(tmp_path / "start")
    with pytest.raises(TrainingError, match="sampled with another start"):
        len(sampled(recipe))


def test_no_pairs_at_all_is_an_error(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SampledPairs, "_answers", lambda self, wishes, prompts: [[BROKEN]] * len(wishes))
    with pytest.raises(TrainingError, match="none of 11 wishes gave answers of different quality"):
        len(sampled(recipe))
    with pytest.raises(TrainingError, match="none of 11 wishes"):
        sampled(recipe).first()


def test_one_pair_can_be_shown_without_writing(recipe: Recipe, asked: list[int]) -> None:
    pair = sampled(recipe).first()
    assert pair.prompt == StorybookPlans(recipe.data).task(1, 0).messages()[:-1]
    assert asked == list(range(8))
    assert not Path(recipe.run.out).exists()


def test_samples_are_the_model_s_own_and_repeatable(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Answer] = []
    real = pair_sampling.generate

    def generate(*arguments: object, **options: object) -> list[Answer]:
        made.extend(real(*arguments, **options))  # type: ignore[arg-type]
        return [Answer(answer.text, "stop", Usage(1, 1)) for answer in made[-6:]]

    monkeypatch.setattr(pair_sampling, "generate", generate)
    pairs = sampled(recipe)
    prompts = [pairs._encoder.prompt(StorybookPlans(recipe.data).task(n, 0).messages()[:1]) for n in (0, 1)]
    texts = pairs._answers([0, 1], prompts)
    assert [len(text) for text in texts] == [3, 3]
    assert all(answer.usage.completion_tokens <= 5 for answer in made)
    assert pairs._answers([0, 1], prompts) == texts
    assert pairs._answers([1, 0], prompts[::-1]) == texts[::-1]


def test_answers_that_are_cut_off_and_wishes_without_room_are_left_out(recipe: Recipe) -> None:
    pairs = sampled(recipe, positions=64)
    short, long = Encoded((0, 5, 6), (False,) * 3), Encoded((0,) * 60, (False,) * 60)
    texts = pairs._answers([0, 1], [short, long])
    assert texts[1] == []
    assert texts[0] == []  # a random model does not end within five tokens


def task(edits: int = 0) -> Task:
    return Task(scene_at("train", 3, 5, counts=[2]), Random(1), "en", edits)


def test_an_answer_is_scored_by_what_it_was_asked() -> None:
    plan, change = task(), task(edits=1)
    assert answer_score(BROKEN, plan) == 0.0
    assert answer_score(WRONG, plan) == 0.0
    assert answer_score(canvas_program(plan.scene), plan) == 1.0
    assert answer_score(canvas_program(change.scenes[-1]), change) == 1.0
    assert answer_score(canvas_program(change.scene), change) == 0.5  # nothing was done, all was kept


def test_the_best_is_paired_with_one_of_the_worse() -> None:
    asked, right = task(), canvas_program(task().scene)
    found = {
        choose_pair(asked, [WRONG, right, BROKEN], Random(n))["rejected"][0]["content"] for n in range(20)
    }
    assert found == {WRONG, BROKEN}
    line = choose_pair(asked, [WRONG, right], Random(0))
    assert line["chosen"] == [{"role": "assistant", "content": right}]
    assert line["scores"] == [1.0, 0.0]
    assert json.loads(json.dumps(line)) == line
    assert choose_pair(asked, [right], Random(0)) == {"scores": [1.0]}
    assert choose_pair(asked, [], Random(0)) == {"scores": [0.0]}
