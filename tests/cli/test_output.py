from pathlib import Path

import pytest

from gesso.cli.output import DEBUG, fail, note, run_guarded, say
from gesso.core.errors import MediaError, UsageError


def _raise(error: BaseException) -> None:
    raise error


def test_exit_codes_tell_wrong_usage_from_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded(lambda: None) == 0
    assert run_guarded(lambda: _raise(MediaError("a.png is damaged"))) == 1
    assert run_guarded(lambda: _raise(UsageError("top_p is 3"))) == 2
    assert run_guarded(lambda: _raise(KeyboardInterrupt())) == 130
    assert capsys.readouterr().out == ""


def test_what_the_machine_cannot_do_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded(lambda: Path("/proc/version/x").mkdir()) == 1
    told = capsys.readouterr().err
    assert "/proc/version/x" in told
    assert "Traceback" not in told


def test_debugging_shows_where_an_error_arose(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEBUG, "1")
    run_guarded(lambda: _raise(MediaError("a.png is damaged")))
    run_guarded(lambda: _raise(OSError("no space left")))
    told = capsys.readouterr().err
    assert told.count("Traceback") == 2
    assert "OSError: no space left" in told


def test_other_errors_are_bugs_and_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_guarded(lambda: _raise(ZeroDivisionError()))


def test_brackets_in_a_message_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    fail(MediaError("pip install 'gesso[train]' [red]"))
    assert capsys.readouterr().err == "error: pip install 'gesso[train]' [red]\n"


def test_results_and_notes_go_different_ways(capsys: pytest.CaptureFixture[str]) -> None:
    say("result", end="")
    note("note [x]")
    captured = capsys.readouterr()
    assert captured.out == "result"
    assert captured.err == "note [x]\n"
