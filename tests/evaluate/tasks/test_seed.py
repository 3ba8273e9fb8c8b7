import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.official_files import Knows, picture, write_json
from gesso.core.errors import UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.seed import SeedBench


def _row(name: str, **values: Any) -> dict[str, Any]:
    options = {f"choice_{letter}": f"option {letter}" for letter in "abcd"}
    usual = {
        "question_id": name,
        "question_type_id": 1,
        "data_type": "image",
        "data_id": "a.jpg",
        "answer": "B",
    }
    return {**usual, "question": f"Q{name}?", **options, **values}


def _write(folder: Path, *rows: dict[str, Any]) -> None:
    write_json(folder / "SEED-Bench.json", {"question_type": {"Scene": 1, "Action": 2}, "questions": rows})
    picture(folder / "SEED-Bench-image" / "a.jpg")


def test_films_are_asked_where_their_frames_are(tmp_path: Path) -> None:
    _write(tmp_path, _row("1"), _row("2", question_type_id=2, data_type="video", answer="A"))
    model = Knows("B")
    assert evaluate(model, SeedBench(data=str(tmp_path)), Plan(count=9)).n == 1
    picture(tmp_path / "SEED-Bench-video-image" / "2.png")
    report = evaluate(model, SeedBench(data=str(tmp_path)), Plan(count=9), log=tmp_path / "log")
    figures = {name: part.score for name, part in report.scores.items()}
    assert figures == {"Scene": 1, "Action": 0, "image": 1, "video": 0}
    assert model.asked[0].text == (
        "Q1?\nA. option a\nB. option b\nC. option c\nD. option d\n"
        "Answer with the option's letter from the given choices directly."
    )
    lines = (tmp_path / "log" / "seed-bench_upload.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"question_id": "2", "prediction": "B"}


def test_only_the_letter_counts(tmp_path: Path) -> None:
    _write(tmp_path, _row("1"))
    assert evaluate(Knows("B."), SeedBench(data=str(tmp_path)), Plan(count=9)).score == 0


def test_broken_questions(tmp_path: Path) -> None:
    for row, told in (
        (_row("1", question_type_id=7), "question 1: type 7, answer 'B'"),
        (_row("1", data_id="b.jpg"), r"question 1: its picture .*b.jpg is not there"),
        ({"question_id": "1", "data_type": "image", "data_id": "a.jpg"}, "question 1: it has no 'choice_a'"),
    ):
        _write(tmp_path, row)
        with pytest.raises(UsageError, match=told):
            evaluate(Knows("B"), SeedBench(data=str(tmp_path)), Plan(count=9))
