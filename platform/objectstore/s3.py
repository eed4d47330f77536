"""An object store that is S3, Amazon's or anybody's. The only place that knows boto3.

Every upload carries SHA-256 checksums that the store verifies on receipt; then the store is asked for the checksum and
what it says is compared with what was sent. A store that keeps no checksums has the object read back instead.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from .errors import NotConfirmed, ObjectMissing, ObjectStoreError, RangeNotSatisfiable, StoreRefuses, StoreUnavailable
from .model import CHUNK_BYTES, FileSource, ObjectFacts, ObjectStream, Receipt, Source, checked_name, resolve_range
from .pinned import Judge, pin

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

#: Longer objects go in parts of this size: about four minutes of stereo at 8 kHz each. A part is held in memory.
PART_BYTES = 8 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30
_REFUSALS = {
    "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "AllAccessDisabled",
    "PermanentRedirect", "AuthorizationHeaderMalformed", "301", "KMS.NotFoundException", "KMS.DisabledException",
    "InvalidArgument", "MalformedXML", "InvalidBucketName", "NotImplemented",
}  # fmt: skip
_MISSING = {"404", "NoSuchKey", "NotFound"}
#: What a store calls its own encryption.
_ENCRYPTIONS = {"s3": "AES256", "kms": "aws:kms"}


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials of one's own; without one the usual AWS variables and files are asked."""

    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Encryption:
    """How the store encrypts what it is given: ``kind`` none, s3 (its own keys) or kms (``kms_key``; None: its default
    key)."""

    kind: str = "none"
    kms_key: str | None = None

    def asked(self) -> dict[str, Any]:
        """What a request says of it."""
        if self.kind == "none":
            return {}
        key = {"SSEKMSKeyId": self.kms_key} if self.kind == "kms" and self.kms_key else {}
        return {"ServerSideEncryption": _ENCRYPTIONS[self.kind], **key}

    def is_met_by(self, head: Mapping[str, Any]) -> bool:
        """Whether an object is encrypted so, by what the store says of it."""
        return self.kind == "none" or head.get("ServerSideEncryption") == _ENCRYPTIONS[self.kind]


class S3Store:
    """Objects of one bucket below one prefix."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        access: Access | None = None,
        encryption: Encryption | None = None,
        guard: Callable[[str], None] | None = None,
        judge: Judge | None = None,
        parallel: int = 8,
    ) -> None:
        """``guard`` is asked with the address before each request is sent, ``judge`` of each connection once it stands
        (pinned.py); both raise an error of this room."""
        self.bucket = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._encryption = encryption or Encryption()
        # A session of its own: boto3's default one would keep the first credentials for the whole process.
        self.client: S3Client = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                retries={"total_max_attempts": 3, "mode": "standard"},
                max_pool_connections=parallel,
                # What is judged must be the store itself.
                proxies={} if judge else None,
                # Our own SHA-256 goes with every upload; a CRC beside it would be work for nothing, and stores of other
                # makers refuse it.
                request_checksum_calculation="when_required",
                s3={
                    # Stores of other makers are named by path; Amazon's are found by host name.
                    "addressing_style": "path" if endpoint_url else "auto",
                    # The checksum's header is signed, and the store holds the body against it: hashing the body once
                    # more for the signature, as boto3 does where there is no TLS, proves nothing besides.
                    "payload_signing_enabled": False,
                },
            ),
            aws_access_key_id=access.key_id if access else None,
            aws_secret_access_key=access.secret if access else None,
        )
        if guard is not None:
            self.client.meta.events.register("before-send.s3", lambda request, **_: guard(request.url))
        if judge is not None:
            pin(self.client, judge)

    def put(self, name: str, source: Source, *, sha256: bytes | None = None) -> Receipt:
        noted = {"sha256": sha256.hex()} if sha256 else {}
        with self._translating(name):
            if source.size_bytes <= PART_BYTES:
                body = b"".join(source.parts(PART_BYTES))
                sent = source.known_sha256 or hashlib.sha256(body).digest()
                receipt = self._put_whole(self._key(name), body, sent, noted)
            else:
                receipt, sent = self._put_parts(self._key(name), source, noted)
        if sha256 is not None and sent != sha256:
            raise NotConfirmed(f"{name}: what was sent has SHA-256 {sent.hex()}, {sha256.hex()} was expected")
        return receipt

    def _put_whole(self, key: str, body: bytes, sent: bytes, noted: dict[str, str]) -> Receipt:
        self.client.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=body,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=_text_of(sent),
            Metadata=noted,
            **self._encryption.asked(),
        )
        return Receipt(len(body), _text_of(sent))

    def _put_parts(self, key: str, source: Source, noted: dict[str, str]) -> tuple[Receipt, bytes]:
        begun = self.client.create_multipart_upload(
            Bucket=self.bucket, Key=key, ChecksumAlgorithm="SHA256", Metadata=noted, **self._encryption.asked()
        )
        upload: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "UploadId": begun["UploadId"]}
        parts: list[Any] = []
        whole, digests, size_bytes = hashlib.sha256(), hashlib.sha256(), 0
        try:
            for number, part in enumerate(source.parts(PART_BYTES), start=1):
                digest = hashlib.sha256(part).digest()
                sum_text = _text_of(digest)
                whole.update(part)
                answer = self.client.upload_part(**upload, PartNumber=number, Body=part, ChecksumSHA256=sum_text)
                parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": sum_text})
                digests.update(digest)
                size_bytes += len(part)
            self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            self._abandon(upload)
            raise
        return Receipt(size_bytes, f"{_text_of(digests.digest())}-{len(parts)}"), whole.digest()

    def _abandon(self, upload: dict[str, Any]) -> None:
        """Parts of an upload that came to nothing cost money until somebody says so; a bucket's own rule for unfinished
        uploads takes what we could not."""
        with suppress(BotoCoreError, ClientError):
            self.client.abort_multipart_upload(**upload)

    def confirm(self, name: str, receipt: Receipt) -> None:
        try:
            with self._translating(name):
                head = self.client.head_object(Bucket=self.bucket, Key=self._key(name), ChecksumMode="ENABLED")
        except ObjectMissing as error:
            raise NotConfirmed(f"{name} is not in the store") from error
        if head["ContentLength"] != receipt.size_bytes:
            raise NotConfirmed(f"{name}: {receipt.size_bytes} bytes were sent, the store has {head['ContentLength']}")
        if not self._encryption.is_met_by(head):
            raise NotConfirmed(f"{name}: the store did not encrypt it as it was asked to ({self._encryption.kind})")
        told = head.get("ChecksumSHA256")
        if told is None:
            self._read_back(name, receipt)
        elif not _says_the_same(told, receipt):
            raise NotConfirmed(f"{name}: the store has checksum {told}, {receipt.checksum} was expected")

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None:
        self.confirm(name, self.put(name, FileSource(path), sha256=sha256))

    def delete(self, name: str) -> None:
        key = self._key(name)
        with self._translating(name):
            self.client.delete_object(Bucket=self.bucket, Key=key)
        for version in self._versions(key):
            with self._translating(name):
                self.client.delete_object(Bucket=self.bucket, Key=key, VersionId=version)

    def _versions(self, key: str) -> list[str]:
        """What a bucket with versions still keeps of an object; nothing where we may not ask, or it keeps none."""
        try:
            listed = self.client.list_object_versions(Bucket=self.bucket, Prefix=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"AccessDenied", "NotImplemented", "MethodNotAllowed"}:
                return []
            raise _named(error, key) from error
        found: list[Any] = [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
        return [one["VersionId"] for one in found if one["Key"] == key and one.get("VersionId", "null") != "null"]

    def signed_link(self, name: str, *, valid_s: int, media_type: str, file_name: str) -> str | None:
        asked = {
            "Bucket": self.bucket, "Key": self._key(name), "ResponseContentType": media_type,
            "ResponseContentDisposition": f'inline; filename="{file_name}"',
        }  # fmt: skip
        with self._translating(name):
            return str(self.client.generate_presigned_url("get_object", Params=asked, ExpiresIn=valid_s))

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

    def _read_back(self, name: str, receipt: Receipt) -> None:
        """A store that keeps no checksums gives the object itself, in the parts in which it went."""
        whole, digests, parts = hashlib.sha256(), hashlib.sha256(), 0
        for first in range(0, max(receipt.size_bytes, 1), PART_BYTES):
            last = min(first + PART_BYTES, receipt.size_bytes) - 1
            body = b""
            if receipt.size_bytes:
                with self.open(name, first=first, last=last) as stream:
                    body = stream.read()
            whole.update(body)
            digests.update(hashlib.sha256(body).digest())
            parts += 1
        plain = _text_of(whole.digest())
        found = {plain, f"{_text_of(digests.digest())}-{parts}"}
        if receipt.checksum not in found:
            raise NotConfirmed(f"{name}: what the store gives back has SHA-256 {plain}")

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
            told = getattr(error, "kwargs", {}).get("error")
            if isinstance(told, ObjectStoreError):
                raise told from error
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


def _text_of(sha256: bytes) -> str:
    return base64.b64encode(sha256).decode("ascii")


def _says_the_same(told: str, receipt: Receipt) -> bool:
    """Of an object that came in parts some stores leave the number of parts out."""
    return told in {receipt.checksum, receipt.checksum.partition("-")[0]}
