from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from evaluate.official_files import write_lines, write_table
from evaluate.tasks.test_speech import Listener
from gesso.core.errors import UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.speech_questions import SpeechQa, contains_answer
from models.megrez import originals


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two recordings of different length."""
    for name, seconds in (("a.wav", 0.5), ("b.wav", 0.25)):
        soundfile.write(tmp_path / name, originals.sound(seconds), 16_000)
    return tmp_path


def test_json_lines(sounds: Path) -> None:
    rows = [
        {"audio": "a.wav", "answers": ["Paris"], "kind": "geography", "id": "g1"},
        {"audio": "b.wav", "answers": ["two", "2"], "question": "Answer in one word."},
    ]
    path = write_lines(sounds / "list.jsonl", rows)
    heard = []

    def script(samples: int, message: object) -> str:
        heard.append(message.text)
        return "It is the city of PARIS." if samples == 8000 else "The two!"

    report = evaluate(Listener(script), SpeechQa(data=str(path)), Plan(count=9))
    assert (report.score, report.n) == (1.0, 2)
    assert {name: part.score for name, part in report.scores.items()} == {
        "geography": 1,
        "question": 1,
        "exact": 0.5,
    }
    assert heard == ["", "Answer in one word."]


def test_tables_and_chinese(sounds: Path) -> None:
    path = write_table(sounds / "list.tsv", [{"audio": "a.wav", "answers": "北京|北京市"}])
    report = evaluate(Listener(lambda *_: "是北京。"), SpeechQa(data=str(path), language="zh"), Plan(count=9))
    assert (report.score, report.scores["exact"].score) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no question"),
        ('{"audio": "a.wav"}', r"list.jsonl, line 1: it has no 'answers'"),
        ('{"audio": "c.wav", "answers": ["x"]}', r"line 1: its recording .*c.wav is not there"),
        ('{"audio": "a.wav", "answers": []}', r"line 1: its answers are \[\]"),
        ('{"audio": "a.wav", "answers": [" "]}', "write a list of texts"),
        ('{"audio": "a.wav", "answers": null}', "line 1: its answers are None"),
    ],
)
def test_broken_lists(sounds: Path, text: str, told: str) -> None:
    path = sounds / "list.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        evaluate(Listener(lambda *_: ""), SpeechQa(data=str(path)), Plan(count=9))
    with pytest.raises(UsageError, match="there is no such file"):
        evaluate(Listener(lambda *_: ""), SpeechQa(data=str(sounds / "no.tsv")), Plan(count=9))


WORD = st.text("abcdefgh", min_size=2, max_size=6)


@given(st.lists(WORD, max_size=3), st.lists(WORD, min_size=1, max_size=3), st.lists(WORD, max_size=3))
def test_an_answer_is_found_wherever_it_stands(
    before: list[str], answer: list[str], after: list[str]
) -> None:
    said = " ".join([*before, *answer, *after])
    assert contains_answer(said.upper() + "!", " ".join(answer), "en")
    assert not contains_answer(said, " ".join([*answer, "zz"]), "en")


def test_parts_of_words_and_nothing_are_no_answers() -> None:
    assert not contains_answer("catalogue", "cat", "en")
    assert not contains_answer("anything", "the", "en")
    assert contains_answer("a cat", "The cat", "en")
