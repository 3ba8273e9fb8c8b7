import pytest

from gesso.cli.output import fail, note, run_guarded, say
from gesso.core.errors import MediaError, UsageError


def _raise(error: BaseException) -> None:
    raise error


def test_exit_codes_tell_wrong_usage_from_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded(lambda: None) == 0
    assert run_guarded(lambda: _raise(MediaError("a.png is damaged"))) == 1
    assert run_guarded(lambda: _raise(UsageError("top_p is 3"))) == 2
    assert run_guarded(lambda: _raise(KeyboardInterrupt())) == 130
    assert capsys.readouterr().out == ""


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
