"""Letters by a real SMTP server, in the clear, by STARTTLS and refused; and into a folder."""

from __future__ import annotations

import email
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from dialtrace.mail.errors import MailError, MailRefused, MailSettingsFaulty
from dialtrace.mail.model import Letter
from dialtrace.mail.service import FileOutbox, SmtpMailer

LETTER = Letter(
    id="letter-1", to="ann@example.com", subject="Ваш доступ", text="Здравствуйте!\n\nhttps://x/#di_token\n",
    sender="calls@north.example", sender_name='North, "Star"', language="ru", at=datetime(2026, 11, 3, tzinfo=UTC),
)  # fmt: skip


class Kept:
    """Keeps what it is sent; refuses what its words say."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.refuse = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.letters.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


class AnyPort(Controller):
    """On whichever port is free: it looks itself up at the port that it was given."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def serve(kept: Kept) -> Iterator[Callable[..., int]]:
    running = []

    def start(**options: Any) -> int:
        controller = AnyPort(kept, hostname="127.0.0.1", port=0, **options)
        controller.start()
        running.append(controller)
        return int(controller.port)

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    made = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", made[0], "-keyout", made[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


def test_given_a_server_without_tls_when_a_letter_is_sent_then_it_has_it_whole(kept: Kept, serve: Any) -> None:
    SmtpMailer(f"smtp://127.0.0.1:{serve()}?tls=none").send(LETTER)
    [found] = kept.letters
    assert (found["To"], found["Subject"], found["From"].addresses[0].display_name) == (
        "ann@example.com", "Ваш доступ", 'North, "Star"',
    )  # fmt: skip
    assert found.get_content().splitlines() == LETTER.text.splitlines()
    assert found["Message-ID"] == "<letter-1@north.example>"


def test_given_a_server_when_tls_is_not_to_be_had_then_nothing_is_sent(kept: Kept, serve: Any) -> None:
    with pytest.raises(MailError) as caught:
        SmtpMailer(f"smtp://127.0.0.1:{serve()}").send(LETTER)
    assert caught.value.retry_helps
    assert kept.letters == []


def test_given_starttls_and_a_login_when_a_letter_is_sent_then_both_are_used(
    kept: Kept, serve: Any, certificate: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me", b"p@ss/w")
        return AuthResult(success=is_right, handled=is_right)

    port = serve(tls_context=context, require_starttls=True, authenticator=check, auth_required=True)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    SmtpMailer(f"smtp://me:p%40ss%2Fw@127.0.0.1:{port}", context=trusted).send(LETTER)
    assert len(kept.letters) == 1
    with pytest.raises(MailRefused):
        SmtpMailer(f"smtp://me:wrong@127.0.0.1:{port}", context=trusted).send(LETTER)
    with pytest.raises(MailError):
        SmtpMailer(f"smtp://me:p%40ss%2Fw@127.0.0.1:{port}").send(LETTER)
    assert len(kept.letters) == 1, "nobody who cannot prove himself gets a letter"


@pytest.mark.parametrize(("answer", "helps"), [("550 no such user", False), ("451 later", True)])
def test_given_a_refusal_when_a_letter_is_sent_then_its_kind_says_whether_to_try_again(
    kept: Kept, serve: Any, answer: str, helps: bool
) -> None:
    kept.refuse = answer
    with pytest.raises(MailError) as caught:
        SmtpMailer(f"smtp://127.0.0.1:{serve()}?tls=none").send(LETTER)
    assert caught.value.retry_helps is helps
    assert "ann@example.com" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://x", "smtp://", "smtp://x?tls=maybe", ""])
def test_given_what_is_no_server_when_built_then_refused(url: str) -> None:
    with pytest.raises(MailSettingsFaulty):
        SmtpMailer(url)


def test_given_a_folder_when_a_letter_is_sent_then_its_owner_alone_reads_it(tmp_path: Path) -> None:
    FileOutbox(tmp_path / "outbox").send(LETTER)
    [path] = (tmp_path / "outbox").iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("letter-1.eml", 0o600)
    assert "di_token" in email.message_from_bytes(path.read_bytes(), policy=policy.default).get_content()
