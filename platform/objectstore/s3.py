"""An object store that is S3, Amazon's or anybody's. The only place that knows boto3.

Every upload carries SHA-256 checksums that the store verifies on receipt; then the store is asked for the checksum and
what it says is compared with what the file has. A store that keeps no checksums has the object read back instead.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3.session
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from .errors import NotConfirmed, ObjectMissing, ObjectStoreError, RangeNotSatisfiable, StoreRefuses, StoreUnavailable
from .model import CHUNK_BYTES, ObjectFacts, ObjectStream, checked_name, resolve_range

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

#: Longer files go in parts of this size: about four minutes of stereo at 8 kHz each.
PART_BYTES = 8 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30
_REFUSALS = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "AllAccessDisabled"}
_MISSING = {"404", "NoSuchKey", "NotFound"}


class S3Store:
    """Objects of one bucket below one prefix."""

    def __init__(self, bucket: str, prefix: str = "", *, endpoint_url: str | None = None, parallel: int = 8) -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        # A session of its own: boto3's default one would keep the first credentials for the whole process.
        self.client: S3Client = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                retries={"total_max_attempts": 3, "mode": "standard"},
                max_pool_connections=parallel,
                # Stores of other makers are named by path; Amazon's are found by host name.
                s3={"addressing_style": "path" if endpoint_url else "auto"},
            ),
        )
        # No threads of its own: how much goes on at once is decided by who calls (recording.service).
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
        )

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None:
        key = self._key(name)
        expected, size_bytes = _expected_checksum(path, sha256)
        with self._translating(name):
            self.client.upload_file(
                str(path),
                self.bucket,
                key,
                ExtraArgs={"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": sha256.hex()}},
                Config=self._transfer,
            )
            head = self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        if head["ContentLength"] != size_bytes:
            raise NotConfirmed(f"{name}: {size_bytes} bytes were sent, the store has {head['ContentLength']}")
        told = head.get("ChecksumSHA256")
        if told is None:
            self._read_back(name, sha256)
        elif told not in expected:
            raise NotConfirmed(f"{name}: the store has checksum {told}, one of {sorted(expected)} was expected")

    def describe(self, name: str) -> ObjectFacts:
        with self._translating(name):
            head = self.client.head_object(Bucket=self.bucket, Key=self._key(name), ChecksumMode="ENABLED")
        noted = head.get("Metadata", {}).get("sha256", "")
        return ObjectFacts(size_bytes=head["ContentLength"], sha256=bytes.fromhex(noted) if len(noted) == 64 else None)

    def open(self, name: str, *, first: int = 0, last: int | None = None) -> ObjectStream:
        key = self._key(name)
        if last is not None and first >= 0 and last < first:
            raise RangeNotSatisfiable(f"bytes {first} to {last}")
        request: dict[str, Any] = {"Bucket": self.bucket, "Key": key}
        if first < 0:
            request["Range"] = f"bytes={first}"
        elif first or last is not None:
            request["Range"] = f"bytes={first}-{'' if last is None else last}"
        with self._translating(name):
            answer = self.client.get_object(**request)
        total = int(answer["ContentRange"].rpartition("/")[2]) if "ContentRange" in answer else answer["ContentLength"]
        try:
            start, end = resolve_range(total, first, last)
        except RangeNotSatisfiable:
            answer["Body"].close()
            raise
        body = answer["Body"]
        return ObjectStream(size_bytes=total, first=start, last=end, chunks=self._chunks(body, name), close=body.close)

    def check(self) -> None:
        with self._translating(self.bucket):
            try:
                self.client.head_bucket(Bucket=self.bucket)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _MISSING:
                    raise StoreRefuses(f"there is no bucket {self.bucket}") from error
                raise

    def _key(self, name: str) -> str:
        return self.prefix + checked_name(name)

    def _read_back(self, name: str, sha256: bytes) -> None:
        digest = hashlib.sha256()
        with self.open(name) as stream:
            for chunk in stream:
                digest.update(chunk)
        if digest.digest() != sha256:
            raise NotConfirmed(f"{name}: what the store gives back has SHA-256 {digest.hexdigest()}")

    def _chunks(self, body: Any, name: str) -> Iterator[bytes]:
        with self._translating(name):
            yield from body.iter_chunks(CHUNK_BYTES)

    @contextmanager
    def _translating(self, name: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise _named(error, name) from error
        except (NoCredentialsError, ParamValidationError) as error:
            raise StoreRefuses(f"s3://{self.bucket}: {error}") from error
        except (BotoCoreError, Boto3Error) as error:
            cause = error.__context__
            if isinstance(cause, ClientError):
                raise _named(cause, name) from error
            raise StoreUnavailable(f"s3://{self.bucket}: {error}") from error
        except OSError as error:
            raise StoreUnavailable(f"s3://{self.bucket}: {error}") from error


def _named(error: ClientError, name: str) -> ObjectStoreError:
    found = error.response.get("Error", {})
    code, words = str(found.get("Code", "")), found.get("Message", "")
    if code in _MISSING:
        return ObjectMissing(f"{name} is not in the store")
    if code in {"416", "InvalidRange"}:
        return RangeNotSatisfiable(f"{name}: {words}")
    if code in _REFUSALS:
        return StoreRefuses(f"{name}: {code}: {words}")
    return StoreUnavailable(f"{name}: {code}: {words}")


def _expected_checksum(path: Path, sha256: bytes) -> tuple[set[str], int]:
    """What the store may say of the whole object (base64), and the size: of an object that came in parts a store gives
    the checksum of the parts' checksums, with or without `-<parts>` behind it."""
    size_bytes = path.stat().st_size
    if size_bytes < PART_BYTES:
        return {base64.b64encode(sha256).decode()}, size_bytes
    parts = []
    with open(path, "rb") as file:
        while chunk := file.read(PART_BYTES):
            parts.append(hashlib.sha256(chunk).digest())
    combined = base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()
    return {combined, f"{combined}-{len(parts)}", base64.b64encode(sha256).decode()}, size_bytes
