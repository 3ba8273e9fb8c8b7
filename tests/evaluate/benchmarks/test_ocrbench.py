import pytest

from gesso.evaluate.benchmarks.ocrbench import holds


@pytest.mark.parametrize(
    ("answer", "truths", "kind", "right"),
    [("It says Stop!", ["STOP"], "Regular Text Recognition", True),
     ("x ^ 2 + 1", ["x^2+1"], "Handwritten Mathematical Expression Recognition", True),
     ("X^2", ["x^2"], "Handwritten Mathematical Expression Recognition", False),
     ("one\ntwo", ["one two"], "Irregular Text Recognition", True),
     ("", ["a", "b"], "Regular Text Recognition", False)],
)  # fmt: skip
def test_an_answer_must_hold_a_true_one(answer: str, truths: list[str], kind: str, right: bool) -> None:
    assert holds(answer, truths, kind) is right
