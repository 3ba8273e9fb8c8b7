import json
from pathlib import Path

import pytest

from gesso.core.errors import TrainingError
from gesso.core.messages import assistant, user
from gesso.train.pairs import Pair, PairFile

PROMPT = [{"role": "user", "content": "a cat"}]
GOOD = [{"role": "assistant", "content": "good"}]
BAD = [{"role": "assistant", "content": "bad"}]


def pairs(folder: Path, **fields: object) -> PairFile:
    line = {"prompt": PROMPT, "chosen": GOOD, "rejected": BAD, **fields}
    path = folder / "pairs.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    return PairFile(path)


def test_a_line_is_a_request_and_two_answers(tmp_path: Path) -> None:
    file = pairs(tmp_path)
    assert len(file) == 1
    assert file.pair(0) == file.first() == Pair([user("a cat")], assistant("good"), assistant("bad"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": GOOD},
        {"prompt": []},
        {"chosen": "good"},
        {"chosen": PROMPT},
        {"rejected": GOOD * 2},
        {"rejected": None},
    ],
)
def test_anything_else_is_refused_with_its_line(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match="line 1"):
        pairs(tmp_path, **wrong).pair(0)
