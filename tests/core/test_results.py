from gesso.core.results import Answer, Usage


def test_usage_counts_prompt_and_completion_together() -> None:
    answer = Answer("a cat", "stop", Usage(prompt_tokens=600, completion_tokens=3))
    assert answer.usage.total_tokens == 603
