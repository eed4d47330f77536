"""`dialtrace number prove`, `dialtrace work proofs` and `dialtrace call explain`: they ask the platform as a partner
would, through the API with a key, and call it as a carrier would, by SIP.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from .cli_options import HostPort, metrics_option
from .config import Settings, SettingsFaulty, host_port
from .errors import DialtraceError

if TYPE_CHECKING:
    from .apiclient import ApiClient
    from .db.engine import Database
    from .numbers.model import InService, Proof
    from .workers.proofs import Prover

Begin = Callable[..., Settings]
AnyDatabase = Callable[[Settings], AbstractContextManager[str]]


class NothingToProve(DialtraceError):
    """There is no such number in service."""


def api_client(settings: Settings) -> ApiClient:
    """The API as this machine's commands ask it. Raises SettingsFaulty without a key."""
    from .apiclient import ApiClient

    host, port = settings.api_listen
    key, kept = settings["DIALTRACE_API_KEY"], settings.data_dir / "operator-key"
    if not key and not kept.exists():
        raise SettingsFaulty([f"DIALTRACE_API_KEY: not set, and there is no {kept}, which `dialtrace up` makes"])
    token = key or kept.read_text(encoding="utf-8").strip()
    return ApiClient(settings["DIALTRACE_API_URL"].rstrip("/") or f"http://{host}:{port}", token)


@contextmanager
def _prover(
    settings: Settings, database: Database, edge: tuple[str, int] | None, answer: tuple[str, int] | None
) -> Iterator[Prover]:
    """With a telephone of its own for as long as it is used."""
    from .clock import SystemClock
    from .launch import test_token
    from .node.proving import ProofTelephone
    from .nodesfile import read_nodes
    from .numbers.service import NumberService
    from .workers.proofs import Edges, Prover, own_address

    text = settings["DIALTRACE_PROOFS_EDGE"]
    fixed = edge or (host_port(text) if text else None)
    nodes = {} if fixed else {node.name: node.sip_address for node in read_nodes(settings.nodes_file)}
    host, port = answer or own_address(fixed or next(iter(nodes.values())))
    caller = settings["DIALTRACE_PROOFS_CALLER"]
    telephone = ProofTelephone(host, port, caller=caller, answers=answer is not None)
    try:
        yield Prover(
            telephone=telephone,
            api=api_client(settings),
            numbers=NumberService(database, SystemClock()),
            clock=SystemClock(),
            edges=Edges(fixed=fixed, nodes=nodes),
            caller=caller,
            token=test_token(settings),
            answers=answer is not None,
        )
    finally:
        telephone.close()


def number_group(begin: Begin, any_database: AnyDatabase) -> click.Group:
    """`dialtrace number …`."""

    @click.group()
    def number() -> None:
        """The telephone numbers of this installation."""

    @number.command("prove")
    @click.argument("numbers", nargs=-1)
    @click.option("--all", "every", is_flag=True, help="Every number in service, one after the other.")
    @click.option("--edge", type=HostPort(), help="Call through this address instead of DIALTRACE_PROOFS_EDGE.")
    @click.option(
        "--answer",
        type=HostPort(),
        help="Play a target at this address that answers our own calls and gives back what it hears.",
    )
    def prove(
        numbers: Sequence[str], every: bool, edge: tuple[str, int] | None, answer: tuple[str, int] | None
    ) -> None:  # fmt: skip
        """Call NUMBERS as a carrier would and look what comes of it; exit status 1 if one is not proven."""
        if every == bool(numbers):
            raise click.UsageError("name numbers, or say --all")
        from .clock import SystemClock
        from .db.engine import Database
        from .numbers.service import NumberService

        settings = begin("proofs")
        with any_database(settings) as url:
            database = Database(url, pool_size=2)
            try:
                service = NumberService(database, SystemClock())
                wanted = service.list_in_service() if every else [_in_service(service, one) for one in numbers]
                with _prover(settings, database, edge, answer) as prover:
                    states = service.node_states()
                    proofs = [_proven(prover, one, states) for one in wanted]
            finally:
                database.dispose()
        sys.exit(0 if all(proof.is_proven for proof in proofs) else 1)

    return number


def _in_service(service: Any, raw: str) -> InService:
    """Raises NothingToProve."""
    from .phone import parse_e164

    found: list[InService] = service.list_in_service(parse_e164(raw) or raw)
    if not found:
        raise NothingToProve(f"{raw}: no number in service; it needs an active owner and a flow")
    return found[0]


def _proven(prover: Prover, number: InService, states: Any) -> Proof:
    proof = prover.prove(number, states)
    click.echo(f"{number.e164}  {proof.outcome}  {proof.total_ms} ms  call {proof.call_id or '-'}")
    for step in proof.steps:
        moment = "" if step.ms is None else f"{step.ms} ms"
        click.echo(f"  {'ok  ' if step.ok else 'FAIL'}  {step.name:<10} {moment:>9}  {step.detail or ''}".rstrip())
    return proof


def call_group(begin: Begin) -> click.Group:
    """`dialtrace call …`."""

    @click.group()
    def call() -> None:
        """Calls that have ended."""

    @call.command("explain")
    @click.argument("call_id", type=click.UUID)
    @click.option("--agency", type=click.UUID, help="Whose call it is; only the operator's key needs it.")
    @click.option("--language", type=click.Choice(["en", "ru"]), default="en", show_default=True)
    def explain(call_id: Any, agency: Any, language: str) -> None:
        """Tell every decision of the call CALL_ID with its time."""
        query = {"language": language} | ({"agency_id": str(agency)} if agency else {})
        told = api_client(begin("call")).get(f"/v1/calls/{call_id}/explain", **query)
        click.echo(f"{told['call_id']}: {told['outcome']}")
        for entry in told["entries"]:
            click.echo(f"{entry['at'] or '-':<27}  {entry['text']}")

    return call


def proofs_command(begin: Begin, need_database: Callable[[Settings], str]) -> click.Command:
    """`dialtrace work proofs`."""

    @click.command("proofs")
    @metrics_option
    def proofs(metrics: tuple[str, int] | None) -> None:
        """Prove every number DIALTRACE_PROOFS_PER_DAY times a day, spread over the day, one at a time."""
        settings = begin("proofs", metrics=metrics)
        need_database(settings)
        per_day = settings["DIALTRACE_PROOFS_PER_DAY"]
        if per_day == 0:
            raise SettingsFaulty(["DIALTRACE_PROOFS_PER_DAY: 0, so there is nothing to do; say how often a day"])
        from .clock import SystemClock
        from .numbers.service import NumberService
        from .services.databases import build_database
        from .workers.proofs import ProofSchedule, run_schedule

        database = build_database(settings, pool_size=3)
        with _prover(settings, database, None, None) as prover:
            service, gap_s = NumberService(database, SystemClock()), settings["DIALTRACE_PROOFS_GAP_S"]
            turn = database.turn("proofs")
            schedule = ProofSchedule(
                prover, service, SystemClock(), per_day=per_day, gap_s=gap_s, is_our_turn=turn.is_ours
            )
            try:
                run_schedule(schedule)
            finally:
                turn.give_back()

    return proofs
