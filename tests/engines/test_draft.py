import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso.engines.draft import FIRST, MOST, ReplyDraft

# regions alike but for their values: 10 11 X 12 13 14 Y 15
OLD = [
    1,
    2,
    3,
    *[10, 11, 50, 12, 13, 14, 60, 15],
    *[10, 11, 51, 12, 13, 14, 61, 15],
    *[10, 11, 52, 12, 13, 14, 62, 15],
    9,
]


def passes(previous: list[int], reply: list[int]) -> int:
    """Passes of a model that says `reply`: each takes the draft as far as it is right, and one token more."""
    draft, place, count = ReplyDraft(previous), 0, 0
    while place < len(reply):
        proposal = draft.propose(len(reply) - place - 1)
        right = next(
            (n for n, (a, b) in enumerate(zip(proposal, reply[place:], strict=False)) if a != b),
            len(proposal),
        )
        draft.judge(len(proposal), right)
        for token in reply[place : place + right + 1]:
            draft.take(token)
        place += right + 1
        count += 1
    return count


def test_a_reply_that_stays_the_same_takes_few_passes() -> None:
    assert passes(OLD, OLD) == 2  # 16 tokens and one, then the rest


def test_an_exchanged_token_takes_one_pass_more_at_most() -> None:
    for token in (50, 51, 52, 60, 61, 62):
        assert passes(OLD, [70 if old == token else old for old in OLD]) <= 3


@pytest.mark.parametrize("begin", [3, 11, 19])
def test_a_region_left_out_or_told_twice_is_found_again(begin: int) -> None:
    assert passes(OLD, OLD[:begin] + OLD[begin + 8 :]) <= 6
    assert passes(OLD, [*OLD[:begin], *OLD[begin : begin + 8], *OLD[begin:]]) <= 7


def test_a_new_region_costs_its_new_words() -> None:
    new = [*OLD[:11], *[10, 11, 80, 12, 13, 14, 81, 15], *OLD[11:]]
    assert passes(OLD, new) <= 8


def test_several_tokens_in_place_of_one_are_got_over() -> None:
    place = OLD.index(51)
    assert passes(OLD, [*OLD[:place], 81, 82, 83, *OLD[place + 1 :]]) <= 8


def test_without_a_previous_reply_the_reply_itself_is_looked_at() -> None:
    draft = ReplyDraft()
    for token in [10, 11, 50, 12, 13, 10, 11]:
        draft.take(token)
    assert draft.propose(3) == [50, 12, 13]
    draft.take(99)
    assert draft.propose(3) == []


def test_proposals_keep_to_the_room_and_grow_with_success() -> None:
    draft = ReplyDraft(list(range(1000)))
    assert draft.propose(5) == [0, 1, 2, 3, 4]
    assert draft.propose(0) == draft.propose(-1) == []
    assert len(draft.propose(999)) == FIRST
    for _ in range(9):
        draft.judge(8, 8)
    assert len(draft.propose(999)) == MOST
    draft.judge(MOST, 3)
    assert len(draft.propose(999)) == MOST // 2


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    previous=st.lists(st.integers(0, 5), max_size=40),
    made=st.lists(st.integers(0, 5), max_size=60),
)
def test_any_text_can_be_followed(previous: list[int], made: list[int]) -> None:
    draft = ReplyDraft(previous)
    for token in made:
        proposal = draft.propose(7)
        assert len(proposal) <= 7
        assert set(proposal) <= {*previous, *made}
        draft.take(token)
