from pathlib import Path
from typing import Any

import pytest

from evaluate.official_files import Knows, base64_png, write_table
from gesso.core.errors import UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.tables import HallusionBench, OcrBench

PICTURE = base64_png()


def test_ocrbench_looks_for_a_true_answer(tmp_path: Path) -> None:
    kind = "Handwritten Mathematical Expression Recognition"
    rows = [
        {"index": 1, "image": PICTURE, "question": "Read", "answer": "['STOP', 'halt']", "category": "Text"},
        {"index": 2, "image": 1, "question": "Formula", "answer": "x^2", "category": kind},
        {"index": 3, "image": 1, "question": "Read", "answer": "[odd", "category": "Text"},
        {"index": 4, "image": 1, "question": "Read", "answer": "[odd]", "category": "Text"},
    ]
    path = write_table(tmp_path / "OCRBench.tsv", rows)
    model = Knows(lambda text: "It says stop, [odd]" if text == "Read" else "x ^ 2")
    report = evaluate(model, OcrBench(data=str(path)), Plan(count=9))
    assert (report.score, report.n) == (1.0, 4)
    assert "4 of 4 are right" in report.notes[0]
    rows[1]["answer"] = ""
    write_table(path, rows)
    with pytest.raises(UsageError, match=r"OCRBench.tsv, line 3: it has no answer"):
        evaluate(model, OcrBench(data=str(path)), Plan(count=9))


def _row(index: str, answer: str, **values: Any) -> dict[str, Any]:
    usual = {"index": index, "image": PICTURE, "question": f"{index}?", "answer": answer, "category": "VD"}
    return {**usual, "l2-category": "figure", **values}


def test_hallusionbench_takes_the_mean_of_three_shares(tmp_path: Path) -> None:
    rows = [_row("VD_figure_0_0_0", "Yes"), _row("VD_figure_0_0_1", "No"), _row("VD_figure_0_1_0", "No"),
            _row("VD_figure_0_1_1", "No")]  # fmt: skip
    path = write_table(tmp_path / "HallusionBench.tsv", rows)
    model = Knows(lambda text: "Yes" if "0_0_0" in text else "Hard to tell" if "1_1?" in text else "No.")
    report = evaluate(model, HallusionBench(data=str(path)), Plan(count=9))
    shares = {name: report.scores[name].score for name in ("aAcc", "fAcc", "qAcc", "mean", "read")}
    assert shares == {
        "aAcc": 0.75,
        "fAcc": 0.5,
        "qAcc": 0.5,
        "mean": pytest.approx(1.75 / 3, abs=1e-5),
        "read": 0.75,
    }
    assert report.score == report.scores["mean"].score
    assert model.asked[0].text == "VD_figure_0_0_0? Please answer yes or no."
    for row in (_row("7", "Yes"), _row("VD_0_0_0", "Maybe")):
        write_table(path, [row])
        with pytest.raises(UsageError, match=r"line 2: its index is '.*', its answer '.*'; the table has"):
            evaluate(model, HallusionBench(data=str(path)), Plan(count=9))
