from gesso.evaluate.benchmarks.seed import shares, upload

TYPES = {"Scene": 1, "Text": 2}


def _question(name: str, kind: int, answer: str) -> dict[str, object]:
    return {"question_id": name, "question_type_id": kind, "data_type": "image", "answer": answer}


def test_types_without_a_question_have_no_share() -> None:
    questions = [_question("a", 1, "A"), _question("b", 1, "B")]
    assert shares(questions, {"a": "A"}, TYPES) == {"Scene": 0.5, "total": 0.5, "image": 0.5}
    assert upload({"a": "A"}) == [{"question_id": "a", "prediction": "A"}]
