from pathlib import Path

import pytest

from evaluate.official_files import Knows, picture
from gesso.core.errors import UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.mme import Mme

ASK = "Please answer yes or no."


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two pictures of existence, which lie beside their texts, and one of artwork, which does not."""
    root = tmp_path / "MME_Benchmark_release_version"
    for name in ("0001", "0002"):
        picture(root / "existence" / f"{name}.jpg")
        (root / "existence" / f"{name}.txt").write_text(
            f"Is a dog here? {ASK}\tYes\nIs a cat here? {ASK}\tNo\n"
        )
    picture(root / "artwork" / "images" / "x.jpg")
    texts = root / "artwork" / "questions_answers_YN"
    texts.mkdir()
    (texts / "x.txt").write_text(f"By Goya? {ASK}\tYes\nBy Dali? {ASK}\tNo")
    return tmp_path


def test_the_score_is_the_sum_of_acc_and_acc_plus(files: Path, tmp_path: Path) -> None:
    model = Knows(lambda text: "No\tindeed" if "cat" in text else "Yes")
    report = evaluate(model, Mme(data=str(files)), Plan(count=99), log=tmp_path / "log")
    figures = {
        name: part.score for name, part in report.scores.items() if name not in ("existence", "artwork")
    }
    assert figures == {"existence: acc + acc+": 200.0, "artwork: acc + acc+": 50.0,
                       "perception": 250.0, "total": 250.0}  # fmt: skip
    assert (report.score, report.n) == (250.0, 6)
    assert model.asked[0].text == "Is a dog here?\nAnswer the question using a single word or phrase."
    rows = (tmp_path / "log" / "existence.txt").read_text().splitlines()
    assert rows[1] == f"0001.jpg\tIs a cat here? {ASK}\tNo\tNo indeed"
    assert len((tmp_path / "log" / "artwork.txt").read_text().splitlines()) == 2


def test_llavas_figures_stand_beside_it(files: Path) -> None:
    report = evaluate(Knows("Yes", "liuhaotian/llava-v1.6-34b"), Mme(data=str(files)), Plan(count=9))
    assert {each.figure: each.value for each in report.published} == {"perception": 1631, "cognition": 397}
    assert {each.tolerance for each in report.published} == {20}


def test_broken_files(files: Path) -> None:
    folder = files / "MME_Benchmark_release_version" / "existence"
    (folder / "0002.txt").write_text("Is it?\tMaybe\n")
    with pytest.raises(UsageError, match=r"0002.txt, line 1: 'Is it\?\\tMaybe' is no question"):
        evaluate(Knows("Yes"), Mme(data=str(files)), Plan(count=9))
    (folder / "0001.jpg").unlink()
    with pytest.raises(UsageError, match=r"0001.txt: its picture 0001 .* is neither in"):
        evaluate(Knows("Yes"), Mme(data=str(files)), Plan(count=9))
    with pytest.raises(UsageError, match="it has no folder of an MME subtask"):
        evaluate(Knows("Yes"), Mme(data=str(folder)), Plan(count=9))
