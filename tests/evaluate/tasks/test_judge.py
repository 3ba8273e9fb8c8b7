from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from evaluate.judged import judge_of
from evaluate.stubs import parrot
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.evaluate.judge import Judge
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.judge import JudgeSample, StorybookJudge
from gesso.storybook.splits import split_of


def samples(task: StorybookJudge, count: int, seed: int = 5) -> list[JudgeSample]:
    return list(chain.from_iterable(task.rounds(seed, count, 3)))


@pytest.mark.parametrize("split", ["test", "novel", "val"])
def test_fresh_scenes_each_with_another_one(split: str) -> None:
    found = samples(StorybookJudge(split=split), 5)
    assert [sample.id for sample in found] == list("01234")
    for sample in found:
        assert split_of(sample.scene) == split_of(sample.other) == split
        assert sample.scene != sample.other
        assert sample.target.count(": ") == len(sample.scene.things) == int(sample.kind.split()[0])
    assert samples(StorybookJudge(split=split), 3) == found[:3]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"split": "train"}, UsageError), ({"split": "tets"}, UnknownNameError), ({"size": 1}, UsageError)],
)
def test_what_the_task_does_not_have_is_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        StorybookJudge(**wrong)


def test_a_judge_that_knows_the_pictures_is_right_and_not_fooled_by_others(tmp_path: Path) -> None:
    task = StorybookJudge()
    judge = Judge.load(judge_of([sample.scene for sample in samples(task, 3)], tmp_path / "judge"))
    report = evaluate(judge, task, Plan(count=3, seed=5), log=tmp_path / "log")
    assert (report.n, report.score, report.stderr) == (3, 1.0, 0.0)
    for name in ("kind", "colour", "pattern", "exact"):
        assert report.scores[name].score == 1.0
        assert report.scores[name].n == 3
    assert report.scores["stray"].score == 0.0
    assert report.scores["other: right"].score < 0.5
    assert report.scores["other: kind"].score < 0.5
    log = (tmp_path / "log" / "samples.jsonl").read_text("utf-8")
    assert all(sample.target in log for sample in samples(task, 3))


def test_who_judges_nothing_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="for judges of pictures, which parrot is not"):
        evaluate(parrot(), StorybookJudge(), Plan(count=1))
