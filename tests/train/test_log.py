import json
from pathlib import Path

import pytest
from PIL import Image

from gesso.train.log import RunLog, plot_log, read_log


def figures(step: int, **more: float) -> dict[str, float]:
    return {"step": step, "lr": 1e-3, "loss": 2.0 / step, "tokens_per_s": 100.0, **more}


def write(out: Path, steps: range, start: int = 0) -> None:
    with RunLog(out, 10, start) as log:
        for step in steps:
            log.advance(step)
            log.write(figures(step, norm=1.5))


def test_lines_are_read_back(tmp_path: Path) -> None:
    write(tmp_path / "new" / "run", range(1, 4))
    lines = read_log(tmp_path / "new" / "run" / "log.jsonl")
    assert lines == [
        {"step": step, "lr": 1e-3, "loss": float(f"{2 / step:.6g}"), "tokens_per_s": 100.0, "norm": 1.5}
        for step in (1, 2, 3)
    ]


def test_a_resumed_run_drops_the_lines_it_writes_again(tmp_path: Path) -> None:
    write(tmp_path, range(1, 6))
    write(tmp_path, range(4, 8), start=3)
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3, 4, 5, 6, 7]


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(figures(1)) + "\n" + json.dumps(figures(2))[:20], encoding="utf-8")
    assert [line["step"] for line in read_log(path)] == [1]
    write(tmp_path, range(2, 3), start=1)
    assert [line["step"] for line in read_log(path)] == [1, 2]


def test_a_quiet_log_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path / "out", 10, 0, quiet=True) as log:
        log.advance(1)
        log.write(figures(1))
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr() == ("", "")


def test_the_bar_leaves_standard_output_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, range(1, 3))
    assert capsys.readouterr().out == ""


def test_six_digits_of_a_figure_and_all_of_a_step_are_kept(tmp_path: Path) -> None:
    with RunLog(tmp_path, 12345678, 0) as log:
        log.write(figures(12345678) | {"lr": 2.34e-7, "seconds": 1234.56789})
    (line,) = read_log(tmp_path / "log.jsonl")
    assert (line["step"], line["lr"], line["seconds"]) == (12345678, 2.34e-7, 1234.57)


def test_no_log_has_no_lines(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.jsonl") == []


def test_the_loss_is_drawn_as_a_png(tmp_path: Path) -> None:
    write(tmp_path, range(1, 9))
    plot_log(tmp_path / "log.jsonl", tmp_path / "loss.png")
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 10
