import json
from itertools import chain
from pathlib import Path

import pytest

from evaluate.stubs import Scripted, oracle, parrot, refusing
from gesso.core.errors import GessoError, UsageError
from gesso.evaluate.log import LOG_NAME
from gesso.evaluate.run import REPORT_NAME, Plan, evaluate
from gesso.evaluate.tasks.storybook import PictureSample, StorybookVqa

TASK = StorybookVqa(size=32)


def _samples(count: int, seed: int = 3) -> list[PictureSample]:
    return list(chain.from_iterable(TASK.rounds(seed, count, 8)))


def _lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / LOG_NAME).read_text("utf-8").splitlines()]


def test_who_knows_the_scenes_is_always_right() -> None:
    report = evaluate(oracle(_samples(40), 32), TASK, Plan(count=40, seed=3))
    assert (report.n, report.score, report.stderr) == (40, 1.0, 0.0)
    assert (report.task, report.model, report.split, report.seed) == ("storybook-vqa", "oracle", "test", 3)
    assert sum(score.n for score in report.scores.values()) == 40


def test_who_says_nothing_to_the_point_is_always_wrong() -> None:
    report = evaluate(parrot(), TASK, Plan(count=20, seed=3))
    assert report.score == 0.0
    assert {score.score for score in report.scores.values()} == {0.0}


def test_the_kinds_explain_the_score() -> None:
    report = evaluate(parrot("yes"), TASK, Plan(count=60, seed=3))
    assert 0 < report.score < 1
    assert report.score == pytest.approx(sum(s.score * s.n for s in report.scores.values()) / 60, abs=1e-5)


def test_questions_are_asked_in_batches_greedily_and_logged(tmp_path: Path) -> None:
    model, done = parrot(), []
    evaluate(model, TASK, Plan(count=20, seed=3, batch=8), log=tmp_path, progress=done.append)
    assert model.batches == [8, 8, 4]
    assert done == [8, 16, 20]
    assert model.sampling[0]["temperature"] == 0.0
    header, *lines = _lines(tmp_path)
    assert header["settings"]["max_new_tokens"] == model.sampling[0]["max_new_tokens"]
    assert [line["prompt"] for line in lines] == [sample.prompt for sample in _samples(20)]
    assert all(line["prediction"] == "I cannot say" and line["score"] == 0.0 for line in lines)


def test_nothing_is_asked_twice_and_more_may_be_asked(tmp_path: Path) -> None:
    model = oracle(_samples(20), 32)
    first = evaluate(model, TASK, Plan(count=10, seed=3), log=tmp_path)
    model.batches.clear()
    assert evaluate(model, TASK, Plan(count=10, seed=3), log=tmp_path) == first
    assert model.batches == []
    assert evaluate(model, TASK, Plan(count=20, seed=3, batch=7), log=tmp_path).n == 20
    assert sum(model.batches) == 10
    assert evaluate(model, TASK, Plan(count=5, seed=3), log=tmp_path).n == 5
    assert len(_lines(tmp_path)) == 21


def test_an_interrupted_evaluation_goes_on(tmp_path: Path) -> None:
    left = [4]

    def tired(picture: bytes, question: str) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return "yes"

    with pytest.raises(KeyboardInterrupt):
        evaluate(Scripted(tired, "m"), TASK, Plan(count=8, seed=3, batch=2), log=tmp_path)
    assert len(_lines(tmp_path)) == 5
    fresh = Scripted(lambda picture, question: "yes", "m")
    report = evaluate(fresh, TASK, Plan(count=8, seed=3, batch=2), log=tmp_path)
    assert sum(fresh.batches) == 4
    assert report == evaluate(fresh, TASK, Plan(count=8, seed=3))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"plan": Plan(count=4, seed=4)}, "seed was 3 and is 4"),
        ({"weights": "f00"}, "weights was '' and is 'f00'"),
    ],
)
def test_a_log_of_another_evaluation_is_not_gone_on_with(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    options = {"plan": Plan(count=4, seed=3), "log": tmp_path}
    evaluate(parrot(), TASK, **options)
    with pytest.raises(UsageError, match=named):
        evaluate(parrot(), TASK, **{**options, **change})
    with pytest.raises(UsageError, match="model was 'parrot' and is 'oracle'"):
        evaluate(oracle(_samples(4), 32), TASK, **options)
    with pytest.raises(UsageError, match="language was 'en' and is 'zh'"):
        evaluate(parrot(), StorybookVqa(size=32, language="zh"), **options)


def test_a_refused_sample_ends_the_run_by_name_and_keeps_the_others(tmp_path: Path) -> None:
    samples = _samples(8)
    refused = samples[6]
    with pytest.raises(GessoError, match=rf"refusing gave no answer to sample {refused.id}: .*too long"):
        evaluate(refusing(refused.prompt), TASK, Plan(count=8, seed=3, batch=4), log=tmp_path)
    assert [line["id"] for line in _lines(tmp_path)[1:]] == [sample.id for sample in samples[:4]]
    assert not (tmp_path / REPORT_NAME).exists()


def test_the_report_lies_beside_the_log(tmp_path: Path) -> None:
    report = evaluate(parrot(), TASK, Plan(count=4, seed=3), log=tmp_path, weights="abc")
    values = json.loads((tmp_path / REPORT_NAME).read_text("utf-8"))
    settings, makers = values.pop("settings"), values.pop("made_by")
    assert values == report.to_dict()
    assert settings["weights"] == "abc"
    assert settings["per_picture"] == 4
    assert set(makers[0]) >= {"gesso", "commit"}


@pytest.mark.parametrize("wrong", [{"count": 0}, {"batch": 0}, {"count": -3}])
def test_counts_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be at least 1"):
        Plan(**wrong)
