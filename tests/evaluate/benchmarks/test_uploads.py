from gesso.evaluate.benchmarks import uploads


def test_each_server_gets_its_own_form() -> None:
    answers = [(7, "Two cats.")]
    assert uploads.gqa_upload(answers) == [{"questionId": 7, "prediction": "two cats"}]
    assert uploads.vqav2_upload(answers, [6, 7]) == [
        {"question_id": 6, "answer": ""},
        {"question_id": 7, "answer": "2 cats"},
    ]
    assert uploads.vizwiz_upload([("a.jpg", "The dog")]) == [{"image": "a.jpg", "answer": "dog"}]
    assert uploads.mmvet_upload(answers) == {"v1_7": "Two cats."}
