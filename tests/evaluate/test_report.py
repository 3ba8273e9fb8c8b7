import json

import pytest
from rich.console import Console

from gesso.evaluate.report import Report, report_table, summarise
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record


def _record(name: str, kind: str, score: float, **extras: float) -> Record:
    return Record(name, kind, "question", "said", "true", score, extras)


def test_records_of_one_id_are_one_sample() -> None:
    pairs = [_record(str(i), kind, float(i < 2)) for i in range(4) for kind in ("there", "back")]
    whole, parts = summarise(pairs)
    alone, _ = summarise([record for record in pairs if record.kind == "back"])
    assert whole == alone
    assert whole.n == 4
    assert parts["there"] == parts["back"] == whole


def test_kinds_come_first_by_name_and_extras_after() -> None:
    records = [_record("1", "b", 1.0, exact=0.0), _record("2", "a", 0.0, exact=1.0), _record("3", "b", 0.0)]
    whole, parts = summarise(records)
    assert list(parts) == ["a", "b", "exact"]
    assert parts["b"] == Score(0.5, 0.5, 2)
    assert parts["exact"] == Score(0.5, 0.5, 2)
    assert whole.score == pytest.approx(1 / 3, abs=1e-6)


REPORT = Report("storybook-vqa", "mini", "test", 7, 3, 0.5, 0.1, {"colour": Score(0.25, 0.125, 2)})


def test_the_report_as_json() -> None:
    assert json.loads(json.dumps(REPORT.to_dict())) == {
        "task": "storybook-vqa",
        "model": "mini",
        "split": "test",
        "seed": 7,
        "n": 3,
        "score": 0.5,
        "stderr": 0.1,
        "scores": {"colour": {"score": 0.25, "stderr": 0.125, "n": 2}},
    }


def test_the_table_shows_every_figure() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(report_table(REPORT))
    text = capture.get()
    for shown in ("mini", "test", "seed 7", "colour", "0.2500", "0.1250", "0.5000", "0.1000"):
        assert shown in text
