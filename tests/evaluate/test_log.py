import json
from pathlib import Path

import pytest

from gesso.core.errors import UsageError
from gesso.evaluate.log import LOG_NAME, SampleLog
from gesso.evaluate.task import Record

SETTINGS = {"model": "mini", "kinds": ("a", "b")}
MADE_BY = {"gesso": "1", "commit": "abc"}
RECORDS = [
    Record("1", "a", "问题?", "红色", "红色", 1.0),
    Record("2", "b", "q", "p", "t", 0.5, {"exact": 0.0}),
]


def _log(folder: Path, **changed: object) -> SampleLog:
    return SampleLog(folder, {**SETTINGS, **changed}, MADE_BY)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    _log(tmp_path / "new").add(RECORDS)
    again = _log(tmp_path / "new")
    assert list(again.records.values()) == RECORDS
    assert set(again.records) == {("1", "a"), ("2", "b")}


def test_lines_are_a_header_and_one_object_per_answer(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.add(RECORDS)
    header, first, second = map(json.loads, log.path.read_text("utf-8").splitlines())
    assert header == {"settings": {"model": "mini", "kinds": ["a", "b"]}, "made_by": MADE_BY}
    assert first == {
        "id": "1", "kind": "a", "prompt": "问题?", "prediction": "红色", "target": "红色", "score": 1.0,
    }  # fmt: skip
    assert second["extras"] == {"exact": 0.0}


def test_a_line_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.add(RECORDS)
    data = log.path.read_bytes()
    log.path.write_bytes(data[:-9])
    again = _log(tmp_path)
    assert list(again.records.values()) == RECORDS[:1]
    again.add(RECORDS[1:])
    assert log.path.read_bytes() == data


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    _log(tmp_path).add(RECORDS)
    with pytest.raises(UsageError, match=r"model was 'mini' and is 'maxi'.*--out"):
        _log(tmp_path, model="maxi")
    with pytest.raises(UsageError, match="size was None and is 96"):
        _log(tmp_path, size=96)


def test_another_version_adds_a_header(tmp_path: Path) -> None:
    _log(tmp_path).add(RECORDS[:1])
    newer = {**MADE_BY, "commit": "def"}
    SampleLog(tmp_path, SETTINGS, newer).add(RECORDS[1:])
    again = _log(tmp_path)
    assert again.makers == [MADE_BY, newer, MADE_BY]
    assert len(again.records) == 2


@pytest.mark.parametrize(
    "line", ["no json", "[]", "7", '{"id": "1"}', '{"settings": {}}', '{"settings": [3]}', '{"made_by": {}}']
)
def test_a_damaged_log_is_refused(tmp_path: Path, line: str) -> None:
    log = _log(tmp_path)
    log.path.write_text(log.path.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(UsageError, match=r"damaged|other settings"):
        _log(tmp_path)


def test_answers_without_a_header_are_refused(tmp_path: Path) -> None:
    _log(tmp_path).add(RECORDS)
    path = tmp_path / LOG_NAME
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[1:]), "utf-8")
    with pytest.raises(UsageError, match="does not begin with its settings"):
        _log(tmp_path)
