"""What goes wrong with stored key material: damage, not refusals of somebody's request."""

from __future__ import annotations


class IdentityError(Exception):
    """Base of this package's operating failures."""


class KeyringDamaged(IdentityError):
    """The text of the cluster keys cannot be read."""


class SealBroken(IdentityError):
    """Sealed bytes do not open: cut or changed, sealed for another place, or with a key not held here."""


class CertificateDamaged(IdentityError):
    """A certificate or private key cannot be read, or the two do not belong together."""
