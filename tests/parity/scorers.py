"""Checks of benchmark rules against the original scorers: answers read, scores, prompts and upload files."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from PIL import Image as Pictures

from gesso.core.errors import UsageError
from gesso.core.messages import Image, user
from gesso.evaluate.benchmarks import (
    mathvista,
    mme,
    mmmu,
    mmmu_answers,
    pope,
    review,
    scienceqa,
    seed,
    textvqa,
    uploads,
    vqa,
)
from gesso.evaluate.benchmarks.choices import INSTRUCTIONS, letter_prompt, options_of, rounds
from gesso.evaluate.benchmarks.mmbench import upload_columns
from gesso.evaluate.benchmarks.yes_no import Confusion
from gesso.models.rendering import render
from gesso.models.templates import get_template

__all__ = ["CHECKS"]

DOT: Final = Pictures.new("RGB", (2, 2))


def check_llava(case: Path) -> None:
    """All scorers and converters of LLaVA; its cutting of question files into chunks has no counterpart."""
    expected = _json(case, "expected.json")
    for row in expected["answer_processor"]:
        assert vqa.normalise(row["text"]) == row["result"], row["text"]
    _check_textvqa_files(case, expected["textvqa"])
    _check_pope_files(case, expected["pope"])
    _check_scienceqa(case, expected)
    _check_reviews(case, expected)
    _check_uploads(expected)
    _check_seed(expected["seed_bench"])
    _check_mme(expected["mme"])


def _check_textvqa_files(case: Path, expected: dict[str, Any]) -> None:
    truth = {(row["image_id"], row["question"].lower()): row["answers"]
             for row in _json(case, "textvqa_annotations.json")["data"]}  # fmt: skip
    answers = _lines(case, "textvqa_answers.jsonl")
    questions = [textvqa.question_of(row["prompt"]) for row in answers]
    assert questions == expected["questions_extracted"]
    pairs = [(row["text"], truth[row["question_id"], asked])
             for row, asked in zip(answers, questions, strict=True)]  # fmt: skip
    scores = [vqa.soft_score(*pair) for pair in pairs]
    assert scores == pytest.approx(expected["per_sample"], abs=1e-12)
    assert sum(scores) / len(scores) == pytest.approx(expected["accuracy"], abs=1e-12)
    exact = [textvqa.exact_score(*pair) for pair in pairs]
    assert sum(exact) / len(exact) == pytest.approx(expected["stvqa_accuracy"], abs=1e-12)
    first = _json(case, "textvqa_annotations.json")["data"][0]["answers"]
    assert textvqa.answer_scores(first) == pytest.approx(expected["answer_scores_first"], abs=1e-12)


def _check_pope_files(case: Path, expected: dict[str, Any]) -> None:
    kinds = {row["question_id"]: row["category"] for row in _lines(case, "pope_questions.jsonl")}
    answers = _lines(case, "pope_answers.jsonl")
    for name, entry in expected["categories"].items():
        said = [pope.says_yes(row["text"]) for row in answers if kinds[row["question_id"]] == name]
        assert [("no", "yes")[yes] for yes in said] == entry["parsed"]
        labels = [row["label"] == "yes" for row in _lines(case, f"pope/coco_pope_{name}.json")]
        _check_confusion(Confusion.of(zip(said, labels, strict=False)), entry["printed"])
    for text, read in expected["parse_table"]:
        assert ("no", "yes")[pope.says_yes(text)] == read, text


def _check_confusion(found: Confusion, printed: str) -> None:
    lines = printed.splitlines()
    assert [found.tp, found.fp, found.tn, found.fn] == [int(each) for each in lines[1].split("\t")]
    figures = [found.accuracy, found.precision, found.recall, found.f1, found.yes_ratio]
    assert figures == pytest.approx([float(line.partition(": ")[2]) for line in lines[2:7]], abs=1e-12)


def _check_scienceqa(case: Path, expected: dict[str, Any]) -> None:
    problems, wanted = _json(case, "sqa/problems.json"), expected["science_qa"]
    answers = {row["question_id"]: row for row in _lines(case, "sqa_answers.jsonl")}
    results, with_picture = {}, []
    for pid in _json(case, "sqa/pid_splits.json")["test"]:
        row = answers.get(pid, {"text": scienceqa.FAILED, "prompt": ""})
        letter = scienceqa.read_letter(row["text"])
        assert letter == wanted["parsed"][pid], pid
        results[pid] = scienceqa.chosen(letter, problems[pid]["choices"])
        if "<image>" in row["prompt"]:
            with_picture.append(results[pid] == problems[pid]["answer"])
    assert results == wanted["result"]["results"]
    right = sum(found == problems[pid]["answer"] for pid, found in results.items())
    assert right == wanted["result"]["correct"]
    share = 100 * sum(with_picture) / len(with_picture)
    assert wanted["printed"].endswith(f"IMG-Accuracy: {share:.2f}%\n")
    prompts = expected["sqa_prompts"]
    for layout, entries in prompts["formats"].items():
        for pid, pair in entries.items():
            problem = prompts["problems"][pid]
            assert [scienceqa.question(problem, layout), scienceqa.expected_answer(problem, layout)] == pair
    made = [scienceqa.conversation(*item) for item in prompts["problems"].items()]
    assert made == expected["sqa_to_llava"]


def _check_reviews(case: Path, expected: dict[str, Any]) -> None:
    for text, scores in expected["parse_review_score"]:
        assert list(review.read_scores(text)) == scores, text
    files = {"0613_review": "gpt4_text_0613_review.jsonl", "review_nocat": "review_nocat.jsonl"}
    for key, ignored in (("all", ()), ("ignore_2_5", (2, 5))):
        for part in expected["gpt_review_summary"][key].split("=" * 33 + "\n")[:-1]:
            name, *lines = part.splitlines()
            found = review.summarise(_lines(case, files[name]), ignored)
            assert [f"{a} {b.relative} {b.reference} {b.candidate}" for a, b in found.items()] == lines


def _check_uploads(expected: dict[str, Any]) -> None:
    def pairs(name: str, rows: str = "input") -> list[tuple[Any, str]]:
        return [(row["question_id"], row["text"]) for row in expected[name][rows]]

    assert uploads.gqa_upload(pairs("gqa_convert")) == expected["gqa_convert"]["output"]
    assert uploads.mmvet_upload(pairs("mmvet_convert")) == expected["mmvet_convert"]["output"]
    wanted = expected["vqav2_convert"]
    assert uploads.vqav2_upload(pairs("vqav2_convert", "answers"), wanted["split_ids"]) == wanted["output"]
    assert uploads.vizwiz_upload(pairs("vizwiz_convert", "answers")) == expected["vizwiz_convert"]["output"]


def _check_seed(expected: dict[str, Any]) -> None:
    answers = {str(row["question_id"]): row["text"] for row in expected["answers"]}
    annotation = expected["annotation"]
    found = seed.shares(annotation["questions"], answers, annotation["question_type"])
    named = {"total": "Total accuracy", "image": "image accuracy", "video": "video accuracy"}
    lines = [f"{named.get(name, name)}: {100 * share:.2f}%" for name, share in found.items()]
    assert lines == expected["printed"].splitlines()
    assert seed.upload(answers) == expected["upload"]


def _check_mme(expected: dict[str, Any]) -> None:
    found = {}
    for name, rows in expected["rows_image_question_gt_prediction"].items():
        found[name] = mme.subtask_score((picture, truth, said) for picture, _, truth, said in rows)
        wanted = expected["scores"][name]
        figures = {"acc": found[name].acc, "acc_plus": found[name].acc_plus, "score": found[name].score}
        assert figures == pytest.approx(wanted, abs=1e-9)
    for part, subtasks in (("perception", mme.PERCEPTION), ("cognition", mme.COGNITION)):
        assert mme.total(found, subtasks) == pytest.approx(expected[part], abs=1e-9)


def check_mgm(case: Path) -> None:
    """All scorers, converters and prompts of Mini-Gemini's evaluation programs."""
    expected = _json(case, "expected.json")
    _check_mmmu(expected["mmmu"])
    _check_mathvista(expected["mathvista"])
    entry = expected["mmvet_convert"]
    assert uploads.mmvet_upload((r["question_id"], r["text"]) for r in entry["in"]) == entry["out"]
    entry = expected["gqa_convert"]
    assert uploads.gqa_upload((r["question_id"], r["text"]) for r in entry["in"]) == entry["out"]
    _check_mmbench_upload(expected["mmbench_convert"])
    _check_textvqa_values(expected["textvqa"])
    entry = expected["pope"]
    said = [pope.says_yes(row["text"]) for row in entry["answers"]]
    assert [("no", "yes")[yes] for yes in said] == entry["normalised"]
    _check_confusion(
        Confusion.of(zip(said, (x == "yes" for x in entry["labels"]), strict=True)), entry["printed"]
    )
    _check_programs(expected["programs"])


def _check_mmmu(expected: dict[str, Any]) -> None:
    for row in expected["multi_choice"]:
        said = mmmu_answers.read_choice(row["response"], row["index2ans"], Random(0))
        assert said in row["all_choices"] if row["random_pick"] else said == row["parsed"], row["response"]
    for row in expected["open"]:
        assert set(mmmu_answers.read_open(row["response"])) == set(row["parsed_set"]), row["response"]
    for row in expected["normalize_str"]:
        assert mmmu_answers.normal_forms(row["in"]) == row["out"]
    for row in expected["extract_numbers"]:
        assert mmmu_answers.numbers_in(row["in"]) == row["out"]
    for row in expected["prompts"]:
        made, wanted = mmmu.question_of(row["sample"]), row["out"]
        assert made.prompt == wanted["final_input_prompt"]
        assert dict(made.options) == wanted.get("index2ans", {})
        right = made.options[str(made.answer)] if made.options else made.answer
        assert (right, made.answer) == (wanted["gt_content"], wanted.get("correct_choice", made.answer))
    assert {name: list(subjects) for name, subjects in mmmu.DOMAINS.items()} == expected["domains"]
    assert sorted(mmmu.SUBJECTS) == sorted(expected["short_names"].values())
    hits = {row["id"]: _mmmu_hit(row, row["parsed_pred"]) for row in expected["evaluate"]["samples"]}
    assert {key: ("Wrong", "Correct")[hit] for key, hit in hits.items()} == expected["evaluate"]["judge"]
    assert sum(hits.values()) / len(hits) == pytest.approx(expected["evaluate"]["metric"]["acc"])
    for row in expected["ins_level_acc"]:
        parts = {name: (part["acc"], part["num_example"]) for name, part in row["in"].items()}
        assert mmmu.example_weighted(parts)[0] == pytest.approx(row["out"])
    _check_mmmu_shares(expected["eval_only"])


def _mmmu_hit(row: dict[str, Any], said: Any) -> bool:
    right = mmmu_answers.choice_right if row["question_type"] == mmmu.CHOICE else mmmu_answers.open_right
    return bool(right(row["answer"], said))


def _check_mmmu_shares(expected: dict[str, Any]) -> None:
    hits = {}
    for key, truth in expected["answers"].items():
        said: Any = expected["outputs"][key]
        # the program gives answers to open questions to the scorer as they are
        row = {"question_type": truth["question_type"], "answer": truth["ground_truth"]}
        hits[key] = _mmmu_hit(
            row, said if row["question_type"] == mmmu.CHOICE else mmmu_answers.read_open(said)
        )
    found = {f"Overall-{name}" if name in mmmu.DOMAINS else name: value
             for name, value in mmmu.shares(hits).items()}  # fmt: skip
    assert {name: {"num": n, "acc": round(share, 3)} for name, (share, n) in found.items()} == expected[
        "printed"
    ]


def _check_mathvista(expected: dict[str, Any]) -> None:
    for row in expected["queries"]:
        assert mathvista.query(row["problem"]) == row["query"]
    for row in expected["extract"]:
        found = mathvista.quick_answer(row["response"], row["problem"], quoted=row["quick_extract"])
        assert (found is None) == row["asked_language_model"], row["response"]
        assert found is None or found == row["extraction"]
    for row in expected["normalize"]:
        assert mathvista.typed_answer(row["extraction"], row) == row["out"], row
    for row in expected["test_prompts"]:
        assert mathvista.extraction_prompt(row["query"], row["response"], "DEMO") == row["out"]
    assert expected["demo_prompt"] == mathvista.EXTRACTION
    for row in expected["verify"]:
        assert bool(row["in"].strip()) == row["out"]
    given, results, hits = expected["score_input"], {}, {}
    for pid, problem in given["results"].items():
        prediction = mathvista.typed_answer(problem["extraction"], problem)
        answer = given["gt"][pid]["answer"]
        hits[pid] = mathvista.is_right(prediction, answer)
        results[pid] = {**problem, "answer": answer, "prediction": prediction, "true_false": hits[pid]}
    assert results == expected["results_after_scoring"]
    found = mathvista.scores(results, hits)
    assert found == expected["scores"]
    assert mathvista.gained(found, given["random"]) == expected["scores_with_gain"]


def _check_mmbench_upload(expected: dict[str, Any]) -> None:
    columns = upload_columns(list(expected["annotation_rows"][0]))
    assert columns == expected["excel_columns"]
    answers = {row["question_id"]: row["text"] for row in expected["answers"]}
    rows = [{**row, "prediction": answers[row["index"]]} for row in expected["annotation_rows"]]
    made = [{name: row[name] for name in columns} for row in rows]
    # pandas reads a column of numbers and gaps as numbers; gesso sends the option's own text
    assert made == _as_texts(expected["excel_rows"], made)


def _as_texts(rows: list[dict[str, Any]], like: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with numbers as text where the other rows have text."""
    return [{k: f"{v:g}" if isinstance(v, float) and isinstance(other[k], str) else v for k, v in row.items()}
            for row, other in zip(rows, like, strict=True)]  # fmt: skip


def _check_textvqa_values(expected: dict[str, Any]) -> None:
    for row in expected["processed_answers"]:
        assert vqa.normalise(row["in"]) == row["out"]
    scores = [vqa.soft_score(row["in"]["pred_answer"], row["in"]["gt_answers"]) for row in expected["scores"]]
    assert scores == pytest.approx([row["score"] for row in expected["scores"]], abs=1e-12)
    assert sum(scores) / len(scores) == pytest.approx(expected["mean_score"], abs=1e-12)
    for row in expected["question_from_prompt"]:
        if isinstance(row["out"], str):
            assert textvqa.question_of(row["in"]) == row["out"]
        else:
            with pytest.raises(UsageError):
                textvqa.question_of(row["in"])


def _check_programs(expected: dict[str, Any]) -> None:
    for run in expected["mmbench"]:
        options, asked, answers = run["options"], [], []
        for row in run["rows"]:
            for number, choice in enumerate(rounds(options_of(row), circular=options["all_rounds"])):
                text = letter_prompt(row["question"], choice, row["hint"])
                instruction = INSTRUCTIONS[options["lang"]] if options["single_pred_prompt"] else None
                asked.append(letter_prompt(row["question"], choice, row["hint"], instruction))
                answers.append((row["index"], number, text, list(choice.options), list(choice.letters)))
        assert [_rendered(options["conv_mode"], text) for text in asked] == run["prompts"]
        keys = ("question_id", "round_id", "prompt", "options", "option_char")
        assert answers == [tuple(answer[key] for key in keys) for answer in run["answers"]]
    for run in (*expected["vqa_loader"], *expected["vqa"]):
        texts = [row["text"] for row in run["questions"]]
        assert texts[0] == textvqa.prompt("What brand?", ("A", "B"))
        assert [_rendered(run["options"]["conv_mode"], text) for text in texts] == run["prompts"]
    for run in expected["math_vista"]:
        queries = [mathvista.query(problem) for problem in run["problems"].values()]
        assert [_rendered(run["options"]["conv_mode"], text) for text in queries] == run["prompts"]
        assert queries == [answer["query"] for answer in run["answers"]]


def _rendered(template: str, text: str) -> str:
    pieces = render(get_template(template), [user(Image(DOT), text)], add_generation_prompt=True)
    return "".join("<image>" if piece.kind == "picture" else piece.text for piece in pieces)


def _json(case: Path, name: str) -> Any:
    return json.loads((case / name).read_text(encoding="utf-8"))


def _lines(case: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (case / name).read_text(encoding="utf-8").splitlines()]


CHECKS: Final[dict[str, Callable[[Path], None]]] = {"llava/scorers": check_llava, "mgm/scorers": check_mgm}
