"""The state machine of an account: every arrow of the drawing, and what holds whatever happens in whatever order."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.gateway.pipeline.effort import effort
from tollway.gateway.accounts.account import (
    OUT,
    Account,
    Grant,
    Patience,
    State,
    awake,
    disabled,
    enabled,
    granted,
    imported,
    limited,
    refused,
    revoked,
    worked,
)

NOW = 1_800_000_000_000
PATIENCE = Patience(failures=3, refused_ms=60_000, refused_most_ms=200_000, limited_ms=120_000)


def account(**fields: object) -> Account:
    said = {"id": "a", "access_token": "at", "refresh_token": "rt", "expires_at": NOW + 3_600_000} | fields
    return Account(**said)  # type: ignore[arg-type]


def refused_often(one: Account, times: int, now: int = NOW) -> Account:
    for _ in range(times):
        one = refused(one, now, PATIENCE)
    return one


def test_a_429_is_a_cooldown_at_once_for_as_long_as_it_says() -> None:
    one = limited(account(), NOW, 90_000)
    assert (one.state, one.cooldown_until, one.state_changed_at) == (State.COOLDOWN, NOW + 90_000, NOW)


def test_a_cooldown_ends_by_itself_in_probation_with_nothing_counted() -> None:
    one = refused_often(account(), 3)
    assert awake(one, NOW + 59_999).state is State.COOLDOWN
    back = awake(one, NOW + 60_000)
    assert (back.state, back.probation, back.consecutive_failures) == (State.ACTIVE, True, 0)
    assert worked(back, NOW + 60_001).probation is False


def test_two_refusals_are_borne_and_the_third_is_a_cooldown() -> None:
    assert refused_often(account(), 2).state is State.ACTIVE
    one = refused_often(account(), 3)
    assert (one.state, one.cooldown_until, one.consecutive_failures) == (State.COOLDOWN, NOW + 60_000, 3)


def test_cooldowns_for_refusals_double_up_to_a_cap_until_something_works() -> None:
    one, now, waits = account(), NOW, []
    for _ in range(4):
        one = refused_often(one, 3, now)
        waits.append(one.cooldown_until - now)
        now = one.cooldown_until
    assert waits == [60_000, 120_000, 200_000, 200_000]
    one = refused_often(worked(one, now), 3, now)
    assert one.cooldown_until - now == 60_000


def test_a_second_429_never_shortens_the_rest() -> None:
    one = limited(limited(account(), NOW, 600_000), NOW + 1, 1_000)
    assert (one.cooldown_until, one.state_changed_at) == (NOW + 600_000, NOW)


def test_what_comes_late_during_a_cooldown_neither_counts_nor_ends_it() -> None:
    resting = limited(account(), NOW, 60_000)
    assert refused_often(resting, 5) == resting
    assert worked(resting, NOW + 1) == resting


def test_invalid_grant_revokes_and_only_an_operator_brings_it_back() -> None:
    one = revoked(limited(account(), NOW, 60_000), NOW, "invalid_grant: gone")
    assert (one.state, one.revoke_reason, one.cooldown_until) == (State.REVOKED, "invalid_grant: gone", 0)
    assert awake(one, NOW + 10**9) == one
    assert limited(one, NOW, 1) == refused(one, NOW, PATIENCE) == worked(one, NOW) == one
    back = enabled(one, NOW + 5)
    assert (back.state, back.revoke_reason) == (State.ACTIVE, "")


def test_an_operator_disables_from_any_state_and_a_refresh_does_not_undo_it() -> None:
    for one in (account(), limited(account(), NOW, 9), revoked(account(), NOW, "x")):
        off = disabled(one, NOW + 1)
        assert off.state is State.DISABLED
        assert granted(off, Grant("new", "", NOW)).state is State.DISABLED
        assert revoked(off, NOW, "x").state is State.DISABLED


def test_new_tokens_count_a_generation_and_keep_the_old_refresh_token_when_none_came() -> None:
    one = granted(account(), Grant("at2", "", NOW + 5, "org", "a@test.example"))
    assert (one.access_token, one.refresh_token, one.expires_at, one.generation) == ("at2", "rt", NOW + 5, 1)
    assert (one.organization_id, one.email) == ("org", "a@test.example")
    assert granted(one, Grant("at3", "rt3", NOW)).refresh_token == "rt3"


def test_an_import_brings_a_revoked_account_back_with_new_tokens_and_keeps_what_it_does_not_say() -> None:
    old = revoked(account(label="mine", generation=4), NOW, "gone")
    new = imported(old, account(access_token="fresh", email="a@test.example"), NOW + 1)
    assert (new.state, new.generation, new.label, new.email) == (State.ACTIVE, 5, "mine", "a@test.example")
    assert new.access_token == "fresh"
    assert not new.revoke_reason


def test_tokens_are_in_no_text_of_an_account() -> None:
    assert "at-secret" not in repr(account(access_token="at-secret", refresh_token="rt-secret"))
    assert "rt-secret" not in str(account(refresh_token="rt-secret"))


class AnyLife(RuleBasedStateMachine):
    """Whatever happens to an account, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.account = NOW, account()

    def now_it_is(self, one: Account) -> None:
        assert one.generation >= self.account.generation
        self.account = one

    @rule(pass_ms=st.integers(0, 10**7))
    def time_passes(self, pass_ms: int) -> None:
        self.now += pass_ms
        self.now_it_is(awake(self.account, self.now))

    @rule(wait_ms=st.integers(-5, 10**7))
    def it_is_limited(self, wait_ms: int) -> None:
        before = self.account
        self.now_it_is(limited(before, self.now, wait_ms))
        assert before.state in OUT or self.account.state is State.COOLDOWN

    @rule()
    def it_is_refused(self) -> None:
        before = awake(self.account, self.now)
        self.now_it_is(refused(before, self.now, PATIENCE))
        if before.state is State.ACTIVE and before.consecutive_failures + 1 >= PATIENCE.failures:
            assert 0 < self.account.cooldown_until - self.now <= PATIENCE.refused_most_ms

    @rule()
    def it_works(self) -> None:
        self.now_it_is(worked(self.account, self.now))
        if self.account.state is State.ACTIVE:
            assert (self.account.consecutive_failures, self.account.cooldowns) == (0, 0)

    @rule()
    def its_grant_ends(self) -> None:
        self.now_it_is(revoked(self.account, self.now, "invalid_grant"))
        assert self.account.state in OUT

    @rule()
    def its_token_is_renewed(self) -> None:
        before = self.account
        self.now_it_is(granted(before, Grant("new", "", self.now)))
        assert self.account.state is before.state

    @rule()
    def an_operator_disables_it(self) -> None:
        self.now_it_is(disabled(self.account, self.now))
        assert self.account.state is State.DISABLED

    @rule()
    def an_operator_enables_it(self) -> None:
        self.now_it_is(enabled(self.account, self.now))
        assert self.account.state is State.ACTIVE

    @precondition(lambda self: self.account.state in OUT)
    @rule()
    def nothing_but_an_operator_brings_it_back(self) -> None:
        for one in (
            awake(self.account, self.now + 10**12),
            worked(self.account, self.now),
            limited(self.account, self.now, 1),
        ):
            assert one.state in OUT

    @invariant()
    def state_and_counts_tell_one_story(self) -> None:
        one = self.account
        assert (one.state is State.COOLDOWN) == bool(one.cooldown_until)
        assert (one.state is State.REVOKED) <= bool(one.revoke_reason)
        assert one.state is not State.ACTIVE or not one.revoke_reason
        assert not one.probation or one.state is State.ACTIVE
        assert one.consecutive_failures >= 0
        assert one.state is not State.ACTIVE or one.consecutive_failures < PATIENCE.failures


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = effort(100)
