"""A small client of the public API, as any partner would write one. The demonstration, the proofs of numbers and the
command line use nothing else to ask the platform."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .errors import DialtraceError
from .ids import new_id


class ApiRefused(DialtraceError):
    """The API refused a request."""


class ApiAway(DialtraceError):
    """The API does not answer."""


class DownloadBroken(DialtraceError):
    """A file that was fetched is not the one that was promised."""


class ApiClient:
    """Requests with one key. Every POST carries an `Idempotency-Key`, so that it may be sent again."""

    def __init__(self, base_url: str, token: str, *, timeout_s: float = 15.0) -> None:
        self._base_url = base_url
        self._token = token
        self._timeout_s = timeout_s

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create something; the decoded answer. Raises ApiRefused with the problem's text."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{new_id()}"'}
        answer: dict[str, Any] = json.loads(self._ask(path, data=json.dumps(body).encode(), headers=headers)[0])
        return answer

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read one thing, or one page."""
        answer: dict[str, Any] = json.loads(self._ask(path + ("?" + urlencode(query) if query else ""))[0])
        return answer

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Set something as a whole; the decoded answer."""
        headers = {"Content-Type": "application/json"}
        answer: dict[str, Any] = json.loads(
            self._ask(path, data=json.dumps(body).encode(), headers=headers, method="PUT")[0]
        )
        return answer

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change some members, whatever they were; the decoded answer."""
        headers = {"Content-Type": "application/json", "If-Match": "*"}
        answer: dict[str, Any] = json.loads(
            self._ask(path, data=json.dumps(body).encode(), headers=headers, method="PATCH")[0]
        )
        return answer

    def delete(self, path: str, **query: Any) -> None:
        """Remove something."""
        self._ask(path + ("?" + urlencode(query) if query else ""), method="DELETE")

    def read_all(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page."""
        while True:
            page = self.get(path, **query)
            yield from page["data"]
            if not page["next_cursor"]:
                return
            query["cursor"] = page["next_cursor"]

    def download(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        """A body and its headers, their names in lower case; None where there is none (404)."""
        try:
            return self._ask(path)
        except ApiRefused as error:
            if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code == 404:
                return None
            raise

    def fetch(self, path: str, target: Path, *, sha256: str) -> None:
        """A file onto the disk, whole or not at all. Raises ApiRefused, ApiAway, DownloadBroken."""
        fresh = target.with_name(f".{target.name}.{new_id().hex}")
        digest = hashlib.sha256()
        address = self._base_url + path
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        try:
            with self._opened(request) as answer, fresh.open("xb") as file:
                while chunk := answer.read(256 * 1024):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != sha256:
                raise DownloadBroken(f"{path}: SHA-256 is {digest.hexdigest()}, {sha256} was expected")
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)

    def _ask(
        self,
        path: str,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> tuple[bytes, dict[str, str]]:
        request = urllib.request.Request(  # noqa: S310 (the address of our own API)
            self._base_url + path,
            data=data,
            headers={"Authorization": f"Bearer {self._token}", **(headers or {})},
            method=method,
        )
        with self._opened(request) as answer:
            return answer.read(), {name.lower(): value for name, value in answer.headers.items()}

    @contextmanager
    def _opened(self, request: urllib.request.Request) -> Iterator[Any]:
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
                yield answer
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            raise ApiRefused(f"{request.get_method()} {request.selector}: {error.code} {text}") from error
        except OSError as error:
            raise ApiAway(f"{self._base_url} does not answer: {error}") from error
