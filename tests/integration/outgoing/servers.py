"""Servers that behave as badly as a test wishes, and certificates for them."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behave = Callable[[socket.socket], None]


@dataclass
class Server:
    """Accepts on 127.0.0.1 and lets ``behave`` do with each connection what it will."""

    behave: Behave
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    #: What was asked, head and body, connection by connection.
    asked: list[bytes] = field(default_factory=list)
    #: The names that TLS clients asked for.
    names: list[str | None] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.bind((self.host, 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        if self.tls is not None:
            self.tls.sni_callback = lambda _sock, name, _context: self.names.append(name)  # type: ignore[assignment]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            sock.settimeout(20)
            try:
                with self.tls.wrap_socket(sock, server_side=True) if self.tls else sock as talking:
                    self.behave(talking)
            except OSError:
                return

    def close(self) -> None:
        # Closing alone would leave the thread waiting in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def answering(self, answer: bytes) -> None:
        """Reads a request whole, keeps it, and gives this answer."""

        def behave(sock: socket.socket) -> None:
            self.asked.append(read_request(sock))
            sock.sendall(answer)

        self.behave = behave


def read_request(sock: socket.socket) -> bytes:
    """Head and body of one request."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(65536) or b"\r\n\r\n"
    head, _, body = received.partition(b"\r\n\r\n")
    wanted = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
    )
    while len(body) < wanted:
        body += sock.recv(65536) or b" " * wanted
    return head + b"\r\n\r\n" + body


@contextmanager
def running(behave: Behave | bytes, **given: object) -> Iterator[Server]:
    """A server; given bytes, it answers every request with them."""
    server = Server(behave if callable(behave) else lambda _: None, **given)  # type: ignore[arg-type]
    if isinstance(behave, bytes):
        server.answering(behave)
    try:
        yield server
    finally:
        server.close()


@dataclass
class Authority:
    """Signs certificates; ``file`` is what who trusts it reads."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
        certificate = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.file = self.folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType, days: int = 1
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=days))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def context_for(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """What a server that bears these names (or addresses) speaks TLS with; ``days`` below 0: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        certificate = self._signed(x509.Name([]), key, alternatives, days=days)
        file = self.folder / f"{names[0]}{days}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
