"""How people get in: passwords that age, authenticators, providers, and the dashboard's certificates."""

from __future__ import annotations

from cluster.commands import access, second_factors, sign_in, web_certificates
from cluster.model.access import Role, TokenUse
from cluster.model.ids import LoginId, PrincipalId, TokenPrefix
from cluster.model.sign_in import GroupRole, SignInProvider
from cluster.store.records import PRINCIPALS, PROVIDERS, SECOND_FACTORS
from tests.properties.draws.context import HASH, Choices, Draw

_PASSWORDS = ("$argon2id$one", "$argon2id$two")


def sign_in_commands(draw: Draw) -> Choices:
    rng, user = draw.rng, draw.user()
    principal = PRINCIPALS.get(draw.txn, user)
    kept = None if principal is None else principal.password_hash
    holder = draw.mostly([each.principal_id for each in SECOND_FACTORS.scan(draw.txn)], [user])
    factor = SECOND_FACTORS.get(draw.txn, holder)
    step = (0 if factor is None else factor.last_step) + rng.choice([1, 1, 0])
    provider = rng.choice(["corp", "other"])
    known = PROVIDERS.get(draw.txn, provider)
    name = rng.choice(["ann", "bob"])
    return [
        lambda: access.SetPassword(principal_id=user, password_hash=rng.choice(_PASSWORDS)),
        lambda: access.RehashPassword(
            principal_id=user, replaced=kept or _PASSWORDS[0], password_hash=rng.choice(_PASSWORDS)
        ),
        lambda: second_factors.PutSecondFactor(
            principal_id=user, sealed_secret=b"sealed", step=max(step, 1), recovery_hashes=(HASH,)
        ),
        lambda: second_factors.RemoveSecondFactor(
            principal_id=holder, step=rng.choice([0, step]), recovery_hash=rng.choice([b"", HASH])
        ),
        lambda: second_factors.PutRecoveryCodes(
            principal_id=holder, recovery_hashes=(HASH,), step=max(step, 1)
        ),
        lambda: second_factors.EndLogins(principal_id=user, but=rng.choice([None, LoginId("l1")])),
        lambda: sign_in.PutProvider(
            provider=SignInProvider(
                id=provider,
                label="Example",
                issuer="https://login.example.com",
                client_id="tower",
                roles=(GroupRole(group="ops", role=Role.OPERATOR),),
                token_audience=rng.choice(["", "https://tower.example.com/mcp"]),
            ),
            expected_version=rng.choice([0 if known is None else known.version, 0]),
        ),
        lambda: sign_in.RemoveProvider(provider_id=provider),
        lambda: sign_in.SyncAccount(
            principal_id=PrincipalId(rng.choice(["s1", "s2"])),
            provider_id=provider,
            subject_key=rng.choice(["ab" * 32, "cd" * 32]),
            name=name,
            role=rng.choice([None, Role.VIEWER, Role.OPERATOR]),
        ),
        lambda: sign_in.NoteTokenUses(
            uses=(TokenUse(prefix=TokenPrefix(rng.choice(["p1", "p2"])), used_at_ms=draw.now_ms),)
        ),
        lambda: web_certificates.PutWebCertificate(
            name=name,
            chain_pem="-----BEGIN CERTIFICATE-----",
            sealed_key=bytes(40),
            hosts=("tower.example.com",),
            not_before_ms=draw.now_ms,
            not_after_ms=draw.soon(),
            fingerprint="cd" * 32,
            changed_by="ann",
        ),
        lambda: web_certificates.RemoveWebCertificate(name=name),
    ]
