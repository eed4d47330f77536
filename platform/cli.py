"""The command line. Thin: reads the settings, builds what a command needs, calls it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .certificates import secured_hosts
from .cli_attribution import attribution_group
from .cli_billing import billing_group
from .cli_capacity import capacity_command
from .cli_demo import demo
from .cli_doctor import doctor_command
from .cli_edge import add_edge_commands
from .cli_events import events_group
from .cli_export import export_command
from .cli_integrations import integration_group, integration_work_command
from .cli_jobs import jobs_group
from .cli_keys import key_group
from .cli_loadtest import loadtest_group
from .cli_node import node_group
from .cli_numbers import add_source_command
from .cli_options import metrics_option
from .cli_partitions import partitions_group
from .cli_people import user_group
from .cli_pool import add_pool_commands
from .cli_privacy import privacy_group
from .cli_prompt import prompt_group
from .cli_proofs import api_client, call_group, number_group, proofs_command
from .cli_recordings import recordings_group
from .cli_reports import report_command, spend_group
from .cli_sealing import secrets_group
from .cli_secrets import prepare_api, with_master_keys
from .cli_sites import site_group
from .cli_tenant import tenant_group
from .cli_up import up_commands
from .cli_webhooks import webhook_group, work_command
from .config import Settings, SettingsFaulty, load_settings, settings_page
from .errors import DialtraceError
from .logs import configure_logs
from .scrape_files import announce, announced
from .tracing import begin_tracing

if TYPE_CHECKING:
    from .calls.nodes import NodeDirectory
    from .db.engine import Database
    from .jobs.service import JobQueue


class Cli(click.Group):
    """Turns what Dialtrace foresaw into one clear line and exit status 1 (2 for settings)."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsFaulty as error:
            click.echo(f"dialtrace: {error}", err=True)
            sys.exit(2)
        except DialtraceError as error:
            click.echo(f"dialtrace: {error}", err=True)
            sys.exit(1)


@click.group(cls=Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dialtrace")
def cli() -> None:
    """Dialtrace: call tracking on FreeSWITCH."""


def begin(process: str, *, metrics: tuple[str, int] | None = None) -> Settings:
    """What every process does first: settings, logs, metrics."""
    settings = load_settings()
    configure_logs(level=settings["DIALTRACE_LOG_LEVEL"], form=settings["DIALTRACE_LOG_FORMAT"], process=process)
    begin_tracing(settings["DIALTRACE_TRACES_URL"], process)
    listen = metrics or settings.metrics_listen
    if listen is not None:
        from .metrics import serve_metrics

        serve_metrics(*listen)
        announce(settings.data_dir, process=settings["DIALTRACE_PROCESS_NAME"] or process, kind=process, listen=listen)
    return settings


def need_database(settings: Settings) -> str:
    """The database's address; processes other than `up` and `demo` do not start one."""
    if not settings.database_url:
        raise SettingsFaulty(
            ["DIALTRACE_DATABASE_URL: not set; only `dialtrace up` and `demo` start a database of their own"]
        )
    return settings.database_url


cli.add_command(demo)
cli.add_command(capacity_command)
cli.add_command(loadtest_group)


for command in up_commands(begin):
    cli.add_command(command)


@cli.group()
def work() -> None:
    """The processes on the call path, and the one beside it that runs jobs."""


@work.command("calls")
@metrics_option
def work_calls(metrics: tuple[str, int] | None) -> None:
    """Answer the switch's questions: look up the route, hand over a plan, let the call go."""
    settings = begin("worker", metrics=metrics)
    need_database(settings)
    from .priority import go_first
    from .services.databases import build_database
    from .workers.call import run_call_worker
    from .workers.route_copy import route_copy_path

    go_first()
    run_call_worker(
        listen=settings.worker_listen,
        database=build_database(settings, pool_size=8, statement_timeout_ms=250),
        route_copy=route_copy_path(settings.data_dir),
    )


@work.command("nodes")
@metrics_option
def work_nodes(metrics: tuple[str, int] | None) -> None:
    """Watch this machine's nodes: health, journal of calls that began, fallback plans."""
    settings = begin("monitor", metrics=metrics)
    need_database(settings)
    from .nodesfile import read_nodes
    from .services.call_plane import build_gateways, build_prompts
    from .services.databases import build_database
    from .workers.monitor import run_monitor
    from .workers.route_copy import route_copy_path

    nodes = read_nodes(settings.nodes_file)
    # Each node's plans, state, live calls, queues and decisions are looked after at the same time.
    database = build_database(settings, pool_size=5 + 4 * len(nodes))
    run_monitor(
        nodes,
        database,
        route_copy=route_copy_path(settings.data_dir),
        find_gateways=build_gateways(with_master_keys(settings), database).gateways,
        render_standard=build_prompts(settings, database).ensure_standard,
        find_targets=lambda: announced(settings.data_dir),
    )


@work.command("hooks")
@metrics_option
def work_hooks(metrics: tuple[str, int] | None) -> None:
    """Ask clients' web hooks what to do with the calls that wait for them."""
    settings = begin("hooks", metrics=metrics)
    need_database(settings)
    from .services.call_plane import build_decisions
    from .workers.hooks import MOST_OF_A_CLIENT, run_hook_worker

    run_hook_worker(build_decisions(settings, most_per_host=MOST_OF_A_CLIENT))


@work.command("jobs")
@metrics_option
def work_jobs(metrics: tuple[str, int] | None) -> None:
    """Run what can wait: exports, tidying, whatever comes by schedule."""
    settings = begin("jobs", metrics=metrics)
    database_url = need_database(settings)
    from .jobs.runner import Runner
    from .jobs.service import JobQueue
    from .priority import step_back
    from .services.databases import build_database
    from .services.jobs import SCHEDULES, build_jobs
    from .workers.certificates import watch_certificates
    from .workers.jobs import run_job_process

    step_back()
    settings = with_master_keys(settings)
    watch_certificates(secured_hosts(settings.public_addresses))
    database = build_database(settings, pool_size=8)
    queue = JobQueue(database)
    runner = Runner(queue, build_jobs(settings, database, queue), SCHEDULES)
    run_job_process(runner=runner, queue=queue, database_url=database_url)


@cli.command()
@metrics_option
def agent(metrics: tuple[str, int] | None) -> None:
    """Bring this machine's CDRs and recordings home."""
    settings = begin("agent", metrics=metrics)
    need_database(settings)
    from .nodesfile import read_nodes
    from .priority import step_back
    from .services.databases import build_database
    from .services.outside import build_guard
    from .services.sealing import build_box_if_any
    from .services.stores import build_store
    from .workers.agent import run_agent

    step_back()
    run_agent(read_nodes(settings.nodes_file), build_database(settings, pool_size=8), build_store(settings),
        box=build_box_if_any(settings), guard=build_guard(settings),
    )  # fmt: skip


@cli.command()
@metrics_option
def live(metrics: tuple[str, int] | None) -> None:
    """Stream the calls that stand to whoever listens (server-sent events)."""
    settings = begin("live", metrics=metrics)
    need_database(settings)
    from .outgoing.model import parse_networks
    from .services.databases import build_database
    from .services.tenants import build_tenancy
    from .workers.live_server import run_live_server

    database = build_database(settings)
    run_live_server(
        listen=settings.live_listen,
        database=database,
        tenancy=build_tenancy(database),
        most=settings["DIALTRACE_LIVE_LISTENERS"],
        most_of_a_key=settings["DIALTRACE_LIVE_LISTENERS_PER_KEY"],
        proxies=parse_networks(settings["DIALTRACE_API_PROXIES"]),
    )


@cli.command()
def api() -> None:
    """Serve the API."""
    settings = begin("api")
    need_database(settings)
    prepare_api(settings)
    host, port = settings.api_listen
    announce(settings.data_dir, process="api", kind="api", listen=(host, port))
    # Granian's own command is the well-kept way to run it; it takes this process's place.
    os.execv(
        sys.executable,
        [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--host", host, "--port", str(port),
            "--workers", str(settings["DIALTRACE_API_WORKERS"]),
            "--blocking-threads", str(settings["DIALTRACE_API_THREADS"]),
            "--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "10", "--log-level", "warning",
            "dialtrace.wsgi:create_app",
        ],
    )  # fmt: skip


@contextmanager
def any_database(settings: Settings) -> Iterator[str]:
    """For commands that end: the database that is set, or the embedded one of the data folder, which they join while
    `up` runs and start for themselves otherwise."""
    if settings.database_url:
        yield settings.database_url
        return
    if not (settings.data_dir / "postgres").is_dir():
        raise SettingsFaulty(
            [
                "DIALTRACE_DATABASE_URL: not set, and there is no embedded database under "
                f"{settings.data_dir} (DIALTRACE_DATA_DIR); `dialtrace up` makes one"
            ]
        )
    from .db.embedded import joined

    with joined(settings.data_dir / "postgres") as url:
        yield url


@contextmanager
def opened_database(process: str) -> Iterator[tuple[Settings, Database]]:
    """For commands that end: the settings, and one connection."""
    from .db.engine import Database

    settings = begin(process)
    with any_database(settings) as url:
        database = Database(url, pool_size=1)
        try:
            yield settings, database
        finally:
            database.dispose()


@contextmanager
def opened_nodes() -> Iterator[NodeDirectory]:
    """For `dialtrace node list` and its like."""
    from .calls.nodes import NodeDirectory

    with opened_database("node") as (_, database):
        yield NodeDirectory(database)


cli.add_command(node_group(begin, opened_nodes))
cli.add_command(doctor_command(begin, any_database))


@cli.command(hidden=True)
@click.option("--plan", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
def phones(plan: Path) -> None:
    """Play targets and place calls with the node's own SIP stack, as a plan says. `demo` starts it."""
    from .node.phones import run_phones
    from .node.phones_plan import read_plan

    configure_logs(process="phones")
    run_phones(read_plan(plan.read_text(encoding="utf-8")))


@cli.group()
def db() -> None:
    """The database: the one of DIALTRACE_DATABASE_URL, or the embedded one of the data folder."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest form; safe while the platform runs and when two do it at once."""
    from .db.migrate import upgrade

    with any_database(begin("db")) as url:
        upgrade(url)
    click.echo("the database is up to date")


@db.command("status")
def db_status() -> None:
    """Say which migrations are applied; exit status 1 when some are pending."""
    from .db.migrate import status

    with any_database(begin("db")) as url:
        found = status(url)
    click.echo(f"current: {found.current or 'empty'}\nhead: {found.head}")
    for name in found.pending:
        click.echo(f"pending: {name}")
    sys.exit(1 if found.pending else 0)


@db.command("distribute")
@click.option("--dry-run", is_flag=True, help="Say where each table would lie; ask no database.")
def db_distribute(dry_run: bool) -> None:
    """Spread the tables over a Citus cluster, each agency on one node; again after every upgrade."""
    from .db.distribution import distribute, placements

    if dry_run:
        for placed in placements():
            click.echo(f"{placed.statement};")
        return
    done = distribute(need_database(begin("db")), tell=click.echo)
    click.echo(f"{len(done)} tables were placed" if done else "every table lies where it belongs")


@contextmanager
def opened_queue() -> Iterator[JobQueue]:
    """For `dialtrace jobs`."""
    from .jobs.service import JobQueue

    with opened_database("jobs") as (_, database):
        yield JobQueue(database)


cli.add_command(prompt_group(begin, any_database))
cli.add_command(jobs_group(opened_queue))
cli.add_command(key_group(begin, any_database, api_client))
cli.add_command(recordings_group(begin, any_database, with_master_keys))
cli.add_command(report_command(begin, api_client, any_database))
cli.add_command(spend_group(begin, api_client))
cli.add_command(partitions_group(begin, any_database))
cli.add_command(secrets_group(begin, any_database, with_master_keys))
cli.add_command(number := number_group(begin, any_database))
add_source_command(number, begin, api_client)
cli.add_command(call_group(begin))
for asking in (
    events_group, attribution_group, webhook_group, export_command, site_group, user_group, billing_group, tenant_group,
    integration_group,
):  # fmt: skip
    cli.add_command(asking(begin, api_client))
cli.add_command(privacy_group(begin, api_client, with_master_keys))
for working in (proofs_command, work_command, integration_work_command):
    work.add_command(working(begin, need_database))
add_pool_commands(cli, work, begin, need_database, api_client, opened_database)
add_edge_commands(cli, work, begin, need_database)


@cli.command()
@click.option("--markdown", is_flag=True, help="Print docs/settings.md.")
def settings(markdown: bool) -> None:
    """Show every setting with its value; secrets are hidden."""
    if markdown:
        click.echo(settings_page(), nl=False)
        return
    found = load_settings()
    from .config import SETTINGS

    for setting in SETTINGS:
        value = found[setting.name]
        shown = "***" if setting.secret and value else value
        click.echo(f"{setting.name}={'' if shown is None else shown}")
