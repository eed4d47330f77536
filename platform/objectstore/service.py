"""Opens the object store that an address names."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import StoreAddressFaulty
from .folder import FolderStore
from .model import FileSource, LoadedSource, ObjectFacts, ObjectStore, ObjectStream, Receipt, Source
from .s3 import Access, Encryption, S3Store
from .watched import WatchedStore

__all__ = [
    "Access",
    "Encryption",
    "FileSource",
    "LoadedSource",
    "ObjectFacts",
    "ObjectStore",
    "ObjectStream",
    "Receipt",
    "S3Store",
    "Source",
    "WatchedStore",
    "open_store",
    "parse_encryption",
]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._/-]*")


def parse_encryption(text: str) -> Encryption:
    """`none`, `s3`, `kms` or `kms:<key>`. Raises ValueError."""
    kind, _, key = text.partition(":")
    if kind not in {"none", "s3", "kms"} or (key and kind != "kms"):
        raise ValueError("must be none, s3, kms or kms:<key>")
    return Encryption(kind, key or None)


def open_store(url: str, *, endpoint_url: str | None = None, encryption: Encryption | None = None) -> ObjectStore:
    """`/folder`, `file:///folder` or `s3://bucket/prefix`; ``endpoint_url`` names an S3 other than Amazon's.

    Makes no connection yet. Raises StoreAddressFaulty.
    """
    if url.startswith("/"):
        return FolderStore(Path(url))
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme != "s3" or parts.query or parts.fragment:
        raise StoreAddressFaulty(f"{url!r} names no object store. {StoreAddressFaulty.__doc__}")
    if not _BUCKET.fullmatch(parts.netloc) or not _PREFIX.fullmatch(parts.path):
        raise StoreAddressFaulty(f"{url!r}: the bucket or the prefix has characters that S3 names do not have")
    return S3Store(parts.netloc, parts.path, endpoint_url=endpoint_url, encryption=encryption)
