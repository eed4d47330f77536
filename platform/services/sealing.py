"""What seals secrets."""

from __future__ import annotations

from ..config import Settings
from ..secrets_box.master_keys import parse_master_keys
from ..secrets_box.model import SecretsBox


def build_secrets_box(settings: Settings) -> SecretsBox:
    """What seals secrets: under the keys that are set, or those that this machine keeps."""
    return SecretsBox(parse_master_keys(settings["DIALTRACE_MASTER_KEYS"]))


def build_box_if_any(settings: Settings) -> SecretsBox | None:
    """For processes that work without: None where no master key was given."""
    return build_secrets_box(settings) if settings["DIALTRACE_MASTER_KEYS"] else None
