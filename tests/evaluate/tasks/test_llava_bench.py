import json
from pathlib import Path

import pytest

from evaluate.official_files import Knows, picture, write_json, write_lines
from gesso.core.errors import UsageError
from gesso.evaluate import endpoint_judge
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.llava_bench import LlavaBench


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two questions, with all that a judge needs."""
    rows = [{"question_id": n, "image": "001.jpg", "text": f"Q{n}?", "category": category}
            for n, category in enumerate(("conv", "detail"))]  # fmt: skip
    write_lines(tmp_path / "questions.jsonl", rows)
    picture(tmp_path / "images" / "001.jpg")
    write_lines(tmp_path / "context.jsonl", [{"image": "001.jpg", "caption": ["A beach.", "Waves."]}])
    write_lines(
        tmp_path / "answers_gpt4.jsonl", [{"question_id": n, "text": f"GPT says {n}"} for n in (0, 1)]
    )
    rules = {
        f"llava_bench_{name}": {"role": "Assistant", "prompt": f"Rate {name}."} for name in ("conv", "detail")
    }
    write_json(tmp_path / "rule.json", rules)
    return tmp_path


def test_without_a_judge_the_score_is_left_open(files: Path, tmp_path: Path) -> None:
    for name in ("context.jsonl", "answers_gpt4.jsonl", "rule.json"):
        (files / name).unlink()
    report = evaluate(Knows("A beach"), LlavaBench(data=str(files)), Plan(count=9), log=tmp_path / "log")
    assert report.score is None
    assert "LLaVA's review scripts" in report.notes[0]
    lines = (tmp_path / "log" / "llava-bench_answers.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"question_id": 1, "text": "A beach"}


def test_a_judge_sees_both_answers(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    replies = iter(("8 4\nfair", "10, 9 oh"))

    def ask(_: object, text: str) -> str:
        asked.append(text)
        return next(replies)

    monkeypatch.setattr(endpoint_judge.EndpointJudge, "ask", ask)
    task = LlavaBench(data=str(files), judge_url="http://127.0.0.1:9/v1", judge_model="judge-7b")
    report = evaluate(Knows("A beach"), task, Plan(count=9))
    assert asked[0] == (
        "[Context]\nA beach.\nWaves.\n\n[Question]\nQ0?\n\n"
        "[Assistant 1]\nGPT says 0\n\n[End of Assistant 1]\n\n"
        "[Assistant 2]\nA beach\n\n[End of Assistant 2]\n\n"
        "[System]\nRate conv.\n\n"
    )
    assert report.scores["conv: relative"].score == 0.5
    assert report.scores["refused"].score == 0.5
    # a review without grades is averaged in as -1 of -1, as in the original
    assert report.score == report.scores["all: relative"].score == pytest.approx(0.429)


def test_files_that_do_not_fit_together(files: Path) -> None:
    task = LlavaBench(data=str(files), judge_url="http://127.0.0.1:9/v1", judge_model="judge-7b")
    write_json(files / "rule.json", {"llava_bench_conv": {"role": "Assistant", "prompt": "Rate."}})
    with pytest.raises(
        UsageError, match=r"questions.jsonl, line 2: the judge's files lack a rule of 'detail'"
    ):
        list(task.rounds(0, 9, 9))
    (files / "rule.json").unlink()
    with pytest.raises(UsageError, match=r"the judge of llava-bench needs rule.json"):
        task.check(Knows("x"), 9)
