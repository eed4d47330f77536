"""What can go wrong with sealed secrets. None of the messages shows a secret."""

from __future__ import annotations

from ..errors import DialtraceError


class SecretsBoxError(DialtraceError):
    """Something about a sealed secret is not as it must be."""


class MasterKeysFaulty(SecretsBoxError):
    """The list of master keys is not usable."""


class MasterKeyMissing(SecretsBoxError):
    """It was sealed under a master key that is not in the list: put that key behind the others again."""


class SealBroken(SecretsBoxError):
    """These bytes were not sealed here for this purpose, or were changed since."""
