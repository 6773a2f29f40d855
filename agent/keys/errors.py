"""What goes wrong with the identity of this host. Every message names the path and the next step."""

from __future__ import annotations


class KeysError(Exception):
    """Base of this package's errors."""


class IdentityMissing(KeysError):
    """This host belongs to no cluster yet."""


class IdentityExists(KeysError):
    """This host belongs to a cluster already."""


class IdentityUnsafe(KeysError):
    """A file or directory of the identity could be read or replaced by others."""


class IdentityDamaged(KeysError):
    """A file of the identity is missing, cut, changed or does not belong to the others."""


class IdentityUnwritable(KeysError):
    """A file of the identity could not be read or written: permissions, a full disk, a failing one."""
