"""Every setting in one table: name, type, default, help. Environment over file over default.

Only the command line, `wsgi` and `services` read this; rooms receive plain values. A setting marked secret is also read
from the file that ``<NAME>_FILE`` names. The whole is checked at start and all faults are reported together.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import DialtraceError
from .secrets_box.errors import MasterKeysFaulty
from .secrets_box.master_keys import parse_master_keys


class SettingsFaulty(DialtraceError):
    """The settings are not usable; every fault is listed."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("settings are not usable:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


def host_port(text: str) -> tuple[str, int]:
    """`HOST:PORT` as a pair; raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise ValueError("must look like 127.0.0.1:8080")
    return host, int(port)


def _listen(text: str) -> str:
    host_port(text)
    return text


def _listen_or_empty(text: str) -> str:
    return _listen(text) if text else ""


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _optional_path(text: str) -> Path | None:
    return _path(text) if text else None


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("must be 1 or more")
    return value


def _months(text: str) -> int:
    value = int(text)
    if not (value == 0 or 2 <= value <= 1200):
        raise ValueError("must be 0 (for ever) or 2 to 1200")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError("must be 0 or more")
    return value


def _per_day(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 96:
        raise ValueError("must be 0 to 96")
    return value


def _token(text: str) -> str:
    # It becomes part of a pattern in the switch's dialplan.
    if text and not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", text):
        raise ValueError("must have 16 to 128 letters, digits, - and _")
    return text


def _master_keys(text: str) -> str:
    try:
        parse_master_keys(text)
    except MasterKeysFaulty as fault:
        raise ValueError(str(fault)) from fault
    return text


def _e164(text: str) -> str:
    if not re.fullmatch(r"\+[1-9][0-9]{4,14}", text):
        raise ValueError("must look like +441632960099")
    return text


def _database_url(text: str) -> str:
    if text and not re.match(r"^postgresql(\+psycopg2)?://", text):
        raise ValueError("must begin with postgresql://")
    return text


def _store_url(text: str) -> str:
    scheme = urlsplit(text).scheme if "://" in text else ("file" if text.startswith("/") else "")
    if text and scheme not in {"file", "s3"}:
        raise ValueError("must be a folder (/path or file:///path) or s3://bucket/prefix")
    return text


def _encryption(text: str) -> str:
    if not re.fullmatch(r"none|s3|kms(:.+)?", text):
        raise ValueError("must be none, s3, kms or kms:<key>")
    return text


def _http_url(text: str) -> str:
    if text and urlsplit(text).scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    return text


def _origins(text: str) -> str:
    for word in filter(None, map(str.strip, text.split(","))):
        parts = urlsplit(word)
        if parts.scheme not in {"http", "https"} or not parts.netloc or word != f"{parts.scheme}://{parts.netloc}":
            raise ValueError("must list origins such as https://app.example.com, with commas between")
    return text


def _smtp_url(text: str) -> str:
    if text and (urlsplit(text).scheme not in {"smtp", "smtps"} or not urlsplit(text).hostname):
        raise ValueError("must look like smtp://user:password@host:587 or smtps://user:password@host")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError("must be an e-mail address")
    return text


def _networks(text: str) -> str:
    for word in filter(None, map(str.strip, text.split(","))):
        ip_network(word)
    return text


def _hosts(text: str) -> str:
    for word in filter(None, map(str.strip, text.lower().split(","))):
        if not re.fullmatch(r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z][a-z0-9-]*", word):
            ip_network(word)
    return text


def _ports(text: str) -> str:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() and 0 < int(word) < 65_536 for word in words):
        raise ValueError("must list ports between 1 and 65535, with commas between")
    return text


def _timeout(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 30:
        raise ValueError("must be 1 to 30")
    return value


def _delays(text: str) -> str:
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if not 2 <= len(found) <= 30 or not all(0 < delay <= 604_800 for delay in found):
        raise ValueError("must list 2 to 30 numbers of seconds with commas between, such as 5,60,3600")
    return text


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError("must be one of " + ", ".join(allowed))
        return text

    return parse


def default_data_dir() -> str:
    """Where state lives when nothing else is said: the system's place for root, the user's own otherwise."""
    return "/var/lib/dialtrace" if os.geteuid() == 0 else "~/.local/share/dialtrace"


@dataclass(frozen=True)
class Setting:
    """One row of the table. ``name`` is the environment variable; in the file it is written in lower case without
    ``DIALTRACE_``."""

    name: str
    parse: Callable[[str], Any]
    default: str
    help: str
    secret: bool = False

    @property
    def key(self) -> str:
        return self.name.removeprefix("DIALTRACE_").lower()


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DIALTRACE_DATA_DIR",
        _path,
        "",
        "Folder of the embedded database, recordings, nodes and keys. Default: "
        "/var/lib/dialtrace for root, ~/.local/share/dialtrace otherwise.",
    ),
    Setting(
        "DIALTRACE_DATABASE_URL",
        _database_url,
        "",
        "PostgreSQL 15 or later, postgresql://user:password@host/name. "
        "Empty: a server of its own under the data folder.",
        secret=True,
    ),
    Setting(
        "DIALTRACE_RECORDINGS_URL",
        _store_url,
        "",
        "Where recordings are kept: a folder, or s3://bucket/prefix. "
        "Empty: the folder `recordings` under the data folder.",
    ),
    Setting(
        "DIALTRACE_S3_ENDPOINT_URL",
        _http_url,
        "",
        "Address of an S3 service other than Amazon's. Credentials come from the usual AWS variables and files.",
    ),
    Setting(
        "DIALTRACE_S3_ENCRYPTION",
        _encryption,
        "none",
        "How the store is asked to encrypt what it keeps, and must say that it did: none, s3 (its own keys), kms, or "
        "kms:<key>.",
    ),
    Setting(
        "DIALTRACE_PARTITIONS_KEEP_MONTHS",
        _months,
        "0",
        "Whole months after a month's own for which its records stay in the database; then they go to the object "
        "store, where `dialtrace partitions list` finds them (docs/howto/partitions.md). 0: for ever.",
    ),
    Setting(
        "DIALTRACE_NODES_FILE",
        _optional_path,
        "",
        "JSON file that lists the nodes of this machine "
        "(docs/architecture.md). Empty: `nodes.json` under the data folder, which `dialtrace up` writes.",
    ),
    Setting("DIALTRACE_API_LISTEN", _listen, "127.0.0.1:8080", "Address of the API."),
    Setting(
        "DIALTRACE_API_PROXIES",
        _networks,
        "",
        "Networks of the proxies in front of the API, with commas between. Their word (X-Forwarded-For) is taken for "
        "the address that the audit log notes; nobody else's is.",
    ),
    Setting(
        "DIALTRACE_API_ORIGINS",
        _origins,
        "",
        "Origins of pages elsewhere that may use the API by a key (CORS), with commas between. Empty: none.",
    ),
    Setting(
        "DIALTRACE_CONSOLE_URL",
        _http_url,
        "",
        "Where people who sign in find the console: it stands in letters. Empty: the API's address. An agency's domain "
        "counts more.",
    ),
    Setting(
        "DIALTRACE_SMTP_URL",
        _smtp_url,
        "",
        "Mail server for invitations and resets: smtp://user:password@host:587 (STARTTLS, insisted on; ?tls=none for a "
        "server that has none) or smtps://. Empty: letters are kept as files in `outbox` under the data folder.",
        secret=True,
    ),
    Setting("DIALTRACE_MAIL_FROM", _address, "dialtrace@localhost", "Sender of letters where a brand names none."),
    Setting(
        "DIALTRACE_PAGES_URL",
        _http_url,
        "",
        "Address under which the pages of clients' sites reach the API (`/t/…`): it stands in snippets. Empty: the "
        "address at which the snippet was asked for.",
    ),
    Setting(
        "DIALTRACE_REGION_HEADER",
        str,
        "",
        "Header in which a proxy of DIALTRACE_API_PROXIES says where a visitor is, such as CF-IPCountry: GB, or "
        "GB-LND. Empty: the country of the browser's time zone.",
    ),
    Setting(
        "DIALTRACE_VISITS_PER_MINUTE",
        _whole,
        "240",
        "Pages that one address may open on one site within a minute, at each API process; 0: any number.",
    ),
    Setting(
        "DIALTRACE_API_REQUESTS_PER_MINUTE",
        _whole,
        "6000",
        "Requests that one key may send within a minute, over all API processes; 0: any number.",
    ),
    Setting(
        "DIALTRACE_API_AGENCY_REQUESTS_PER_MINUTE",
        _whole,
        "30000",
        "Requests that all keys of one agency may send within a minute, over all API processes; 0: any number.",
    ),
    Setting(
        "DIALTRACE_INVENTORY_DIR",
        str,
        "",
        "Where CSV files of telephone numbers lie that carriers with the adapter `inventory` offer; empty: `inventory` "
        "in the data folder.",
    ),
    Setting(
        "DIALTRACE_NUMBER_REST_DAYS",
        _whole,
        "7",
        "Days for which a released number stays here before the carrier that it came from gets it back; 0: at once.",
    ),
    Setting("DIALTRACE_API_WORKERS", _positive, "1", "API processes."),
    Setting("DIALTRACE_API_THREADS", _positive, "8", "Requests that one API process answers at a time."),
    Setting(
        "DIALTRACE_LIVE_LISTEN",
        _listen_or_empty,
        "",
        "Address of the stream of live calls. Empty: the API's, one port higher.",
    ),
    Setting("DIALTRACE_LIVE_LISTENERS", _positive, "500", "Listeners that one stream process serves at a time."),
    Setting("DIALTRACE_LIVE_LISTENERS_PER_KEY", _positive, "10", "Of these, with the same API key."),
    Setting(
        "DIALTRACE_WORKER_LISTEN",
        _listen,
        "127.0.0.1:8040",
        "Address on which call workers await the switch. "
        "Loopback only: a far address that drops packets holds a caller for minutes.",
    ),
    Setting(
        "DIALTRACE_WORKER_PROCESSES", _positive, "2", "Call workers that `dialtrace up` starts; they share the port."
    ),
    Setting(
        "DIALTRACE_METRICS_LISTEN",
        _listen_or_empty,
        "",
        "Address for Prometheus of the process that is started (worker, monitor, agent, up). Empty: none. The API has "
        "/metrics of its own. What `dialtrace up` starts follows on the next ports: agent, monitor, then each worker, "
        "then the asker of web hooks, the prover of numbers, the stream of live calls and the jobs.",
    ),
    Setting(
        "DIALTRACE_PROCESS_NAME",
        str,
        "",
        "What this process is called among those that Prometheus reads, where a machine runs several of a kind. Empty: "
        "its kind. `dialtrace up` names its workers.",
    ),
    Setting(
        "DIALTRACE_TRACES_URL",
        _http_url,
        "",
        "Where OpenTelemetry's spans go: OTLP over HTTP, such as http://collector:4318/v1/traces. Needs the extra "
        "`traces`. Empty: there are none, and the library is not loaded.",
    ),
    Setting(
        "DIALTRACE_PROMETHEUS_URL",
        _http_url,
        "",
        "Prometheus that knows which alerts stand, for the NOC page. Empty: the page shows none and says so. "
        "`dialtrace up --prometheus` sets it.",
    ),
    Setting(
        "DIALTRACE_SECRET_KEY",
        str,
        "",
        "Signs cursors. Empty: made once and kept in the data folder (one machine "
        "only: several API machines must share one).",
        secret=True,
    ),
    Setting(
        "DIALTRACE_MASTER_KEYS",
        _master_keys,
        "",
        "Seal secrets in the database (passwords of trunks and the like): 32 bytes in base64 each, commas or lines "
        "between, the newest first. Empty: made once and kept in the data folder (one machine only: all machines must "
        "share them). Whoever loses them loses what they seal.",
        secret=True,
    ),
    Setting(
        "DIALTRACE_SPEECH",
        _choice("espeak-ng", "none"),
        "espeak-ng",
        "What renders the texts that flows say, where the API and monitor run: Debian's espeak-ng, or nothing; such "
        "flows are then refused.",
    ),
    Setting(
        "DIALTRACE_OUTGOING_PRIVATE_NETWORKS",
        _networks,
        "",
        "Networks that are not public and that web hooks may still reach, with commas between: 10.20.0.0/24. Inside of "
        "them plain HTTP and every port are allowed. Empty: none.",
    ),
    Setting(
        "DIALTRACE_TARGET_HOSTS_ALLOWED",
        _hosts,
        "",
        "Hosts that are not public and that targets may have all the same, with commas between: networks and names, "
        "10.20.0.0/24, pbx.lan, *.voice.internal. Empty: public hosts only.",
    ),
    Setting(
        "DIALTRACE_TARGET_HOSTS_DENIED",
        _hosts,
        "",
        "Hosts that no target may have, written likewise. It counts more than what is allowed.",
    ),
    Setting("DIALTRACE_OUTGOING_PORTS", _ports, "443", "Ports on which web hooks are reached, with commas between."),
    Setting(
        "DIALTRACE_OUTGOING_CA_FILE",
        _optional_path,
        "",
        "Certificates of authorities (PEM) that web hooks may be certified by, beside those of the system.",
    ),
    Setting(
        "DIALTRACE_WEBHOOK_DELAYS_S",
        _delays,
        "5,60,300,900,3600,10800,21600,36000,50400,61200,74335",
        "Seconds between the tries to send a message to a webhook, with commas between: one try more than there are of "
        "them. As it stands: 12 tries within 72 hours.",
    ),
    Setting(
        "DIALTRACE_WEBHOOK_PAUSE_AFTER_S",
        _positive,
        "172800",
        "Seconds of nothing but failures after which a webhook is paused. Less than all tries take together: then "
        "nothing is given up before somebody was told.",
    ),
    Setting(
        "DIALTRACE_WEBHOOK_TIMEOUT_S",
        _timeout,
        "15",
        "Seconds for one try, from the look-up of the name to the answer.",
    ),
    Setting(
        "DIALTRACE_WEBHOOK_LOG_DAYS",
        _positive,
        "7",
        "Days for which taken deliveries are kept; failed ones: four times.",
    ),
    Setting(
        "DIALTRACE_INTEGRATION_DELAYS_S",
        _delays,
        "5,30,120,600,1800,3600,7200,14400,21600,28800,43200",
        "Seconds between the tries of a delivery to an integration, with commas between: one try more than there are "
        "of them. As it stands: 12 tries within 35 hours. What a limit of the other side puts off is no try.",
    ),
    Setting(
        "DIALTRACE_INTEGRATION_TIMEOUT_S",
        _timeout,
        "15",
        "Seconds for one request to another system, from the look-up of the name to the answer.",
    ),
    Setting(
        "DIALTRACE_INTEGRATION_DOUBT_S",
        _positive,
        "65",
        "Seconds after which a request that makes something and was not answered is looked up on the other side: "
        "longer than that may still be busy with it.",
    ),
    Setting(
        "DIALTRACE_INTEGRATION_LOG_DAYS",
        _positive,
        "90",
        "Days for which deliveries to integrations are kept after they are over.",
    ),
    Setting("DIALTRACE_API_URL", _http_url, "", "Where commands find the API. Empty: at DIALTRACE_API_LISTEN."),
    Setting(
        "DIALTRACE_API_KEY",
        str,
        "",
        "Their key. Empty: the operator's, of the data folder.",
        secret=True,
    ),
    Setting(
        "DIALTRACE_TEST_TOKEN",
        _token,
        "",
        "Marks our own test calls; each node must know it (DIALTRACE_NODE_TEST_TOKEN). Empty: made once and kept.",
        secret=True,
    ),
    Setting("DIALTRACE_PROOFS_PER_DAY", _per_day, "0", "How often a day `work proofs` proves each number. 0: never."),
    Setting("DIALTRACE_PROOFS_GAP_S", _positive, "10", "Seconds between two scheduled proofs, at least."),
    Setting("DIALTRACE_PROOFS_EDGE", _listen_or_empty, "", "SIP edge to call through. Empty: this machine's nodes."),
    Setting("DIALTRACE_PROOFS_CALLER", _e164, "+441632960099", "The caller's number of test calls: nobody's."),
    Setting("DIALTRACE_LOG_LEVEL", _choice("debug", "info", "warning", "error"), "info", "Least level that is logged."),
    Setting("DIALTRACE_LOG_FORMAT", _choice("text", "json"), "text", "Form of the log lines."),
)


@dataclass(frozen=True)
class Settings:
    """The values, by name; made by :func:`load_settings` only."""

    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def data_dir(self) -> Path:
        return Path(self.values["DIALTRACE_DATA_DIR"])

    @property
    def database_url(self) -> str:
        return str(self.values["DIALTRACE_DATABASE_URL"])

    @property
    def recordings_url(self) -> str:
        return self.values["DIALTRACE_RECORDINGS_URL"] or str(self.data_dir / "recordings")

    @property
    def s3_endpoint_url(self) -> str | None:
        return self.values["DIALTRACE_S3_ENDPOINT_URL"] or None

    @property
    def nodes_file(self) -> Path:
        return self.values["DIALTRACE_NODES_FILE"] or self.data_dir / "nodes.json"

    @property
    def api_listen(self) -> tuple[str, int]:
        return host_port(self.values["DIALTRACE_API_LISTEN"])

    @property
    def live_listen(self) -> tuple[str, int]:
        text = self.values["DIALTRACE_LIVE_LISTEN"]
        host, port = self.api_listen
        return host_port(text) if text else (host, port + 1)

    @property
    def worker_listen(self) -> tuple[str, int]:
        return host_port(self.values["DIALTRACE_WORKER_LISTEN"])

    @property
    def public_addresses(self) -> list[str]:
        """Where others reach us and we the object store: those whose certificates count."""
        host, port = self.api_listen
        api_url = self.values["DIALTRACE_API_URL"] or f"http://{host}:{port}"
        return [one for one in (api_url, self.values["DIALTRACE_PAGES_URL"], self.s3_endpoint_url) if one]

    @property
    def metrics_listen(self) -> tuple[str, int] | None:
        text = self.values["DIALTRACE_METRICS_LISTEN"]
        return host_port(text) if text else None


def _raw_values(environment: Mapping[str, str], in_file: Mapping[str, Any], faults: list[str]) -> dict[str, str]:
    raw = {}
    for setting in SETTINGS:
        text = environment.get(setting.name)
        named_file = environment.get(setting.name + "_FILE") if setting.secret else None
        if text is None and named_file:
            try:
                text = Path(named_file).read_text(encoding="utf-8").strip()
            except OSError as error:
                faults.append(f"{setting.name}_FILE: cannot read {named_file}: {error.strerror}")
        if text is None and setting.key in in_file:
            text = str(in_file[setting.key])
        raw[setting.name] = setting.default if text is None else text
    raw["DIALTRACE_DATA_DIR"] = raw["DIALTRACE_DATA_DIR"] or default_data_dir()
    return raw


def _read_file(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"settings file {path}: {error.strerror}")
        return {}
    except tomllib.TOMLDecodeError as error:
        faults.append(f"settings file {path}: {error}")
        return {}
    known = {setting.key for setting in SETTINGS}
    faults.extend(f"settings file {path}: unknown setting {key!r}" for key in found if key not in known)
    return found


def _cross_faults(values: Mapping[str, Any]) -> list[str]:
    host = host_port(values["DIALTRACE_WORKER_LISTEN"])[0]
    faults = []
    if not (host.startswith("127.") or host == "localhost"):
        faults.append(f"DIALTRACE_WORKER_LISTEN: {host} is not loopback; workers run beside their node (DESIGN)")
    if values["DIALTRACE_WORKER_LISTEN"] == values["DIALTRACE_API_LISTEN"]:
        faults.append("DIALTRACE_WORKER_LISTEN and DIALTRACE_API_LISTEN are the same address")
    return faults


def load_settings(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """All settings, checked. ``DIALTRACE_SETTINGS`` names a TOML file when ``file`` is not given.

    Raises SettingsFaulty with every fault at once; an unknown ``DIALTRACE_`` variable is a fault too, since it is
    nearly always a misspelling.
    """
    environment = os.environ if environment is None else environment
    faults: list[str] = []
    named = file or (Path(environment["DIALTRACE_SETTINGS"]) if environment.get("DIALTRACE_SETTINGS") else None)
    raw = _raw_values(environment, _read_file(named, faults) if named else {}, faults)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        try:
            values[setting.name] = setting.parse(raw[setting.name])
        except ValueError as error:
            shown = "***" if setting.secret else repr(raw[setting.name])
            faults.append(f"{setting.name}={shown}: {error}")
    known = {s.name for s in SETTINGS} | {s.name + "_FILE" for s in SETTINGS if s.secret}
    known |= {"DIALTRACE_SETTINGS", "DIALTRACE_TEST_DATABASE_URL"}
    # DIALTRACE_NODE_… are the switch's own (freeswitch/vars.xml); one environment file may serve both.
    known |= {name for name in environment if name.startswith("DIALTRACE_NODE_")}
    faults.extend(
        f"{name}: unknown setting" for name in environment if name.startswith("DIALTRACE_") and name not in known
    )
    if not faults:
        faults = _cross_faults(values)
    if faults:
        raise SettingsFaulty(faults)
    return Settings(values)


def settings_page() -> str:
    """docs/settings.md, made from the table; a test keeps the file true."""
    lines = [
        "# Settings",
        "",
        "Environment over file over default. `DIALTRACE_SETTINGS` names a TOML file, in which a setting is written in",
        "lower case without `DIALTRACE_`. A secret is also read from the file that `<NAME>_FILE` names. This page is",
        "made by `dialtrace settings --markdown`.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    for setting in SETTINGS:
        mark = " *(secret)*" if setting.secret else ""
        default = f"`{setting.default}`" if setting.default else "–"
        lines.append(f"| `{setting.name}`{mark} | {default} | {setting.help} |")
    return "\n".join(lines) + "\n"
