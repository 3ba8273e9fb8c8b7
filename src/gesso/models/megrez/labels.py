"""What the original's fine-tuning learns from token ids alone, for those who bring ids of their own.

gesso's processor knows which tokens are an answer's when it writes them (`Encoded.supervised`), and a user
who quotes a header changes nothing there. The rule below finds answers in finished ids, as
infinigence/Infini-Megrez-Omni at 031e816 (`finetune/dataset.py`) does.
"""

from collections.abc import Sequence

from gesso.core.errors import UsageError
from gesso.models.base import IGNORE_INDEX

__all__ = ["find_labels"]


def find_labels(ids: Sequence[int], header: Sequence[int], end: int) -> list[int]:
    """Labels of a row: from behind each assistant header through the next end token; all else is ignored.

    They are shifted already, [n] -> [n]: the label of a position is the token behind it, and the last one has
    none.

    Args:
        ids: of the row.
        header: ids of `<|role_start|>assistant<|role_end|>`.
        end: id of `<|turn_end|>`.

    Raises:
        UsageError: an answer is never ended, or there is no header.
    """
    if not header:
        raise UsageError("an empty header; give the ids of <|role_start|>assistant<|role_end|>")
    labels = [IGNORE_INDEX] * len(ids)
    for place in range(len(ids) - len(header) + 1):
        if list(ids[place : place + len(header)]) != list(header):
            continue
        start = place + len(header)
        if end not in ids[start:]:
            raise UsageError(f"the answer at position {start} is never ended; end every answer with "
                             "<|turn_end|>")  # fmt: skip
        stop = start + list(ids[start:]).index(end) + 1
        labels[start:stop] = ids[start:stop]
    return [*labels[1:], IGNORE_INDEX] if labels else []
