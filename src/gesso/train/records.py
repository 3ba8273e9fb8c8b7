"""Megrez's own training data: records.jsonl, one conversation a line, with pictures and sounds by path.

    {"conversations": [
        {"role": "user", "content": {"text": "What does she say?", "image": "a.jpeg", "audio": "a.wav"}},
        {"role": "assistant", "content": {"text": "She asks for the salt."}}]}

The original reads no other form: contents are objects, and a field holds one path. gesso also takes strings
and lists of paths. Records of pictures, of sounds (speech recognition: a sound, the instruction, its words)
and of text alone may stand in one file.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gesso.core.errors import TrainingError, UsageError
from gesso.core.messages import Audio, Image, Message
from gesso.models.base import Encoded
from gesso.models.megrez.contents import as_messages
from gesso.models.processor import ConversationProcessor

__all__ = ["MegrezRecords"]


class MegrezRecords:
    """The conversations of a file.

    Args:
        path: the JSONL file.
        media: folder that paths are relative to, the original's `dataset_prefix`.

    Raises:
        TrainingError: the file cannot be read, holds nothing, or a line is no record.
    """

    def __init__(self, path: Path, media: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(f"cannot read {path}: {error}; give a file of records, one a line") from error
        self._records = [_record(path, n, line) for n, line in enumerate(lines, start=1) if line.strip()]
        if not self._records:
            raise TrainingError(f"{path} holds no records")
        self._media = media

    def __len__(self) -> int:
        """Records."""
        return len(self._records)

    def encode(self, processor: ConversationProcessor, example: int, number: int) -> list[Encoded]:
        """The record's one conversation."""
        return processor.encode_group([self.messages(example)])

    def messages(self, example: int) -> list[Message]:
        """A record as messages; media are named by their whole paths."""
        return [replace(message, parts=tuple(self._placed(message))) for message in self._records[example]]

    def _placed(self, message: Message) -> Iterator[Any]:
        for part in message.parts:
            # a whole path stays: joining leaves it as it is
            yield replace(part, source=self._media / part.source) if isinstance(part, Image | Audio) else part


def _record(path: Path, number: int, line: str) -> Sequence[Message]:
    """A line as messages."""
    where = f"{path}, line {number}"
    try:
        record = json.loads(line)
        turns = record["conversations"] if isinstance(record, dict) else None
        if not isinstance(turns, list) or len(turns) < 2:
            raise UsageError("a record has conversations, a list of two turns or more")
        messages = as_messages(turns)
    except (ValueError, KeyError, UsageError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise TrainingError(f"{where}: {reason}") from error
    for message in messages:
        for part in message.parts:
            if isinstance(part, Image | Audio) and not isinstance(part.source, str):
                raise TrainingError(f"{where}: {part.source!r} for a picture or sound; give a path")
    if not any(message.role == "assistant" for message in messages):
        raise TrainingError(f"{where}: no turn of the assistant, so there is nothing to learn")
    return messages
