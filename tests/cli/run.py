"""Running the command line inside the test's own process."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper

import pytest

from gesso.cli import main, output


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and both outputs."""

    code: int
    out: str
    err: str


class _Pipe(TextIOWrapper):
    """Standard input of a test."""


class Gesso:
    """Calls `gesso` with arguments, as a shell with pipes would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def typed(self, *arguments: str, lines: Sequence[str]) -> Outcome:
        """The same on a terminal, at which somebody types these lines."""
        left = iter(lines)

        def type_in(_: str) -> str:
            line = next(left, None)
            if line is None:
                raise EOFError
            return line

        self._monkeypatch.setattr("builtins.input", type_in)
        self._monkeypatch.setattr(_Pipe, "isatty", lambda _: True)
        return self(*arguments)

    def __call__(self, *arguments: str, stdin: bytes | str = b"") -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        self._monkeypatch.setattr(sys, "stdin", _Pipe(BytesIO(data), "utf-8"))
        self._monkeypatch.setattr(sys, "argv", ["gesso", *arguments])
        for console, stream in ((output.out, sys.stdout), (output.err, sys.stderr)):
            self._monkeypatch.setattr(console, "_file", stream)
        with pytest.raises(SystemExit) as leaving:
            main.run()
        captured = self._capsys.readouterr()
        code = leaving.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)
