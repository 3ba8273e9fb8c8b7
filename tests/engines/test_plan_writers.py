from gesso.engines.plan_writers import PlanStats

ONE = PlanStats(prompt_tokens=5, tokens=10, passes=4, forced=3, drafted=8, accepted=3)


def test_figures_add_up() -> None:
    both = ONE + PlanStats(prompt_tokens=1, tokens=2, passes=2)
    assert both == PlanStats(prompt_tokens=6, tokens=12, passes=6, forced=3, drafted=8, accepted=3)


def test_an_unknown_number_of_passes_stays_unknown() -> None:
    remote = PlanStats(tokens=5, passes=None)
    assert (ONE + remote).passes is (remote + ONE).passes is None
    assert (ONE + remote).tokens == 15
    assert remote.share is None


def test_the_share_compares_with_one_pass_a_token() -> None:
    assert ONE.share == 0.4
    assert PlanStats().share is None
