"""Commands on identity providers, on the accounts they bring, and on when tokens were used."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.commands.access import check_user_name
from cluster.model import rules
from cluster.model.access import Role, TokenUse
from cluster.model.ids import PrincipalId
from cluster.model.sign_in import SignInProvider, check_provider, check_subject_key

TOKEN_USES_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PutProvider:
    """Keep a provider, if its version is still the expected one (0: there is none). Result: the new version.

    `version`, `changed_at_ms` are the state machine's to write.
    """

    provider: SignInProvider
    expected_version: int

    def __post_init__(self) -> None:
        check_provider(self.provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveProvider:
    """Forget a provider: its accounts get in no more, and their logins end."""

    provider_id: str

    def __post_init__(self) -> None:
        rules.check_name("provider id", self.provider_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncAccount:
    """What a provider has just said of one person: make their account, or bring it up to date.

    `principal_id` is for a new account; `name` is what it should be called, and gets a number where that name
    is taken: an account that is here is never given to somebody by name. `role` None: they may not come in
    (any more). Result: the account's id, "" when there is none.
    """

    principal_id: PrincipalId
    provider_id: str
    subject_key: str
    name: str
    role: Role | None

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        rules.check_name("provider id", self.provider_id)
        check_subject_key(self.subject_key)
        check_user_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTokenUses:
    """When API tokens were used last, as one host saw it. Of tokens that are gone nothing is kept."""

    uses: tuple[TokenUse, ...]

    def __post_init__(self) -> None:
        rules.check_count("uses", self.uses, TOKEN_USES_MAX)
        for use in self.uses:
            rules.check_id("token prefix", use.prefix)
            rules.check_text("ip", use.ip, 64)
