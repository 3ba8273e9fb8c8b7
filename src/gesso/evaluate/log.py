"""The log of an evaluation: one line per answer, from which an interrupted one goes on.

`samples.jsonl` begins with a header line, {"settings": ..., "made_by": ...}. A run that goes on with another
version of gesso adds a header of its own, so each answer stands below the version that gave it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gesso.core.errors import UsageError
from gesso.evaluate.task import Record

__all__ = ["LOG_NAME", "SampleLog"]

LOG_NAME: Final = "samples.jsonl"


class SampleLog:
    """Answers that are already there, and a place for further ones.

    Args:
        folder: where `samples.jsonl` lies or is to lie.
        settings: all that the answers depend on, as JSON values.
        made_by: version and commit of gesso.

    Attributes:
        records: the answers that were there, by `Record.key`.
        makers: every `made_by` of the log, the oldest first.

    Raises:
        UsageError: the folder holds a log made under other settings, or a damaged one.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
        self.path = folder / LOG_NAME
        self.records: dict[tuple[str, str], Record] = {}
        self.makers: list[dict[str, Any]] = []
        self._settings = json.loads(json.dumps(settings))  # as it reads back: tuples become lists
        for line in self._complete_lines():
            self._read(line)
        folder.mkdir(parents=True, exist_ok=True)
        if not self.makers or self.makers[-1] != made_by:
            self.makers.append(dict(made_by))
            self._write([{"settings": self._settings, "made_by": made_by}])

    def add(self, records: Iterable[Record]) -> None:
        """Append answers, all of them in one go."""
        self._write(_line(record) for record in records)

    def _complete_lines(self) -> list[bytes]:
        """The lines of the file; one that was cut short when a run was killed is removed from it."""
        if not self.path.is_file():
            return []
        data = self.path.read_bytes()
        # everything after the last line break was being written when the run was killed
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with self.path.open("r+b") as file:
                file.truncate(whole)
        return data[:whole].split(b"\n")[:-1]

    def _read(self, line: bytes) -> None:
        try:
            values = json.loads(line)
            if "settings" in values:
                self._check(dict(values["settings"]))
                self.makers.append(values["made_by"])
            # an answer of which nobody can say how it came about is worth nothing
            elif not self.makers:
                raise ValueError("it does not begin with its settings")
            else:
                record = Record(**values)
                self.records[record.key] = record
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{self.path} is damaged: {error}; delete it, or write to another folder with --out"
            ) from error

    def _check(self, logged: Mapping[str, Any]) -> None:
        changed = [
            f"{name} was {logged.get(name)!r} and is {self._settings.get(name)!r}"
            for name in sorted({*logged, *self._settings})
            if logged.get(name) != self._settings.get(name)
        ]
        if changed:
            raise UsageError(f"{self.path} was made under other settings: {'; '.join(changed)}. "
                             "Delete it, or write to another folder with --out")  # fmt: skip

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        # "\n" on every system: the reader looks for it byte by byte
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)


def _line(record: Record) -> dict[str, Any]:
    values = asdict(record)
    # most tasks have none; thousands of empty mappings make a log hard to read
    if not record.extras:
        del values["extras"]
    return values
