"""What can go wrong with people who sign in. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class PeopleError(DialtraceError):
    """Base of this room."""


class UserUnknown(PeopleError):
    """There is no such user."""


class RoleUnknown(PeopleError):
    """There is no such role."""


class OwnerUnknown(PeopleError):
    """There is no such agency or client."""


class EmailTaken(PeopleError):
    """The agency has a user with this e-mail address already."""


class RoleInUse(PeopleError):
    """Users have this role: give them another first."""


class RoleNameTaken(PeopleError):
    """Another role has this name."""


class LastOwner(PeopleError):
    """It is the last active owner: make another first, or nobody could let people in."""


class VersionMismatch(PeopleError):
    """It was changed meanwhile. ``current`` is its version now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed; it is at version {current}")
        self.current = current


class ValueRefused(PeopleError):
    """A value is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class SignInRefused(PeopleError):
    """E-mail address, password or code is wrong, or the user may not sign in. Which of them is nobody's business."""


class CodeRequired(PeopleError):
    """The password is right; the code of the second factor is needed as well."""


class AgencyAmbiguous(PeopleError):
    """This person belongs to several agencies with the same password: name one."""

    def __init__(self, agencies: list[str]) -> None:
        super().__init__("name the agency")
        self.agencies = agencies


class TooManyTries(PeopleError):
    """Too many tries. ``wait_s``: when to try again."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"try again in {wait_s} s")
        self.wait_s = wait_s


class PasswordsBusy(PeopleError):
    """More passwords are being checked than this process may at once."""


class SessionInvalid(PeopleError):
    """The session is unknown or over."""


class SessionUnknown(PeopleError):
    """There is no such session of one's own."""


class LinkInvalid(PeopleError):
    """The link is unknown, used or over: ask for another."""


class CodeWrong(PeopleError):
    """The code is wrong, or was used before."""


class FactorMissing(PeopleError):
    """There is no second factor to confirm or remove."""
