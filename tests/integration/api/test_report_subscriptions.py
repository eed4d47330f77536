"""Reports by e-mail through the API: who may subscribe whom, what the jobs send, and the way out of a letter."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices
from dialtrace.brands.model import Brand
from dialtrace.cli_reports import report_command
from dialtrace.jobs.model import Done, Job, Retry
from dialtrace.mail.errors import MailError
from dialtrace.mail.service import FileOutbox
from dialtrace.reports.sending import ReportSender
from dialtrace.reports.subscribing import BEGIN_DUE, SEND
from dialtrace.typefaces import FONTS

from .conftest import Asker, Tenant, signed_in
from .records import store_call
from .test_conventions import assert_problem

PATH = "/v1/report-subscriptions"


needs_fonts = pytest.mark.skipif(not FONTS.exists(), reason="Debian's fonts-dejavu-core is not installed")


class Ill:
    """A mail server that is away."""

    def send(self, letter: Any) -> None:
        raise MailError("away")


@pytest.fixture
def person(services: ApiServices, tenant: Tenant) -> Asker:
    return signed_in(services, tenant.client_key.app, tenant.agency["id"], tenant.client["id"],
                     email="ann@north.example", role="owner")  # fmt: skip


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def sender(services: ApiServices, mailer: Any) -> ReportSender:
    def brand_of(agency_id: UUID) -> Brand:
        return Brand(
            agency_id=agency_id, name="North Star", mail_from="calls@north.example", domain="calls.north.example"
        )

    return ReportSender(services.database, services.clock, services.reports, mailer, brand_of, api_url="http://x")


def waiting(owner_engine: Engine) -> list[dict[str, str]]:
    """Arguments of the letters in the queue."""
    with owner_engine.connect() as connection:
        query = text("SELECT args FROM procrastinate_jobs WHERE task_name = :name ORDER BY id")
        return list(connection.execute(query, {"name": SEND}).scalars())


def me(person: Asker) -> str:
    return str(person.get("/v1/session").get_json()["user"]["id"])


def test_given_a_person_when_he_subscribes_then_he_reads_changes_and_removes_his_own(
    tenant: Tenant, person: Asker
) -> None:
    made = person.made(PATH, {"user_id": me(person), "kind": "weekly", "hour": 9, "time_zone": "Asia/Tokyo",
                              "files": ["pdf"]})  # fmt: skip
    assert (made["client_id"], made["language"], made["enabled"]) == (tenant.client["id"], None, True)
    assert "secret" not in made
    due = datetime.fromisoformat(made["next_at"])
    assert (due.astimezone(UTC).hour, due.astimezone(UTC).weekday()) == (0, 0)
    one = f"{PATH}/{made['id']}"
    assert [row["id"] for row in person.get(PATH).get_json()["data"]] == [made["id"]]
    assert_problem(person.patch(one, {"hour": 7}, If_Match='"v9"'), 412, "version_mismatch")
    changed = person.patch(one, {"hour": 7, "kind": "daily"}, If_Match='"v1"').get_json()
    assert (changed["hour"], changed["kind"], changed["files"], changed["version"]) == (7, "daily", ["pdf"], 2)
    assert_problem(tenant.sibling_key.get(one), 404, "not_found")
    assert person.delete(one).status_code == 204
    assert_problem(person.get(one), 404, "not_found")


def test_given_values_that_are_none_when_subscribed_then_they_are_named(tenant: Tenant, person: Asker) -> None:
    body = {"user_id": me(person), "kind": "daily"}
    for wrong, pointer in (
        ({"time_zone": "Mars/Olympus"}, "#/time_zone"),
        ({"user_id": "00000000-0000-0000-0000-000000000001"}, "#/user_id"),
        ({"files": ["pdf", "pdf"]}, "#/files"),
    ):
        problem = assert_problem(person.post(PATH, body | wrong), 422, "validation_failed")
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    # A person of one client is sent nothing of another one, nor of all.
    for client, pointer in ((tenant.sibling["id"], "#/user_id"), (None, "#/client_id")):
        problem = assert_problem(tenant.agency_key.post(PATH, body | {"client_id": client}), 422, "validation_failed")
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_given_somebody_who_may_not_change_people_when_he_subscribes_then_it_is_himself(
    services: ApiServices, tenant: Tenant, person: Asker
) -> None:
    other = signed_in(services, tenant.client_key.app, tenant.agency["id"], tenant.client["id"],
                      email="ben@north.example", role="read_only")  # fmt: skip
    theirs = person.made(PATH, {"user_id": me(person), "kind": "daily"})
    own = other.made(PATH, {"user_id": me(person), "kind": "daily"})
    assert own["user_id"] == me(other)
    assert [row["id"] for row in other.get(PATH).get_json()["data"]] == [own["id"]]
    assert_problem(other.delete(f"{PATH}/{theirs['id']}"), 404, "not_found")


@needs_fonts
def test_given_a_subscription_whose_hour_has_come_when_the_jobs_run_then_one_letter_tells_of_the_day_before(
    services: ApiServices, tenant: Tenant, person: Asker, outbox: Path, owner_engine: Engine
) -> None:
    store_call(services, tenant.agency["id"], tenant.client["id"])
    made = person.made(PATH, {"user_id": me(person), "kind": "monthly", "language": "ru", "files": ["pdf", "xlsx"]})
    begin = Job(1, BEGIN_DUE, 1, {})
    assert services.report_subscriptions.begin_due(begin) == Done()
    assert waiting(owner_engine) == []
    with services.database.tenant(tenant.agency["id"]) as connection:
        connection.execute(text("UPDATE report_subscriptions SET next_at = now() - interval '1 minute'"))
    for _ in range(2):
        assert services.report_subscriptions.begin_due(begin) == Done()
    (args,) = waiting(owner_engine)
    assert args["subscription_id"] == made["id"]
    assert datetime.fromisoformat(person.get(f"{PATH}/{made['id']}").get_json()["next_at"]) > datetime.now(UTC)
    send = Job(1, SEND, 1, args | {"day": "2026-11-30"})
    assert isinstance(sender(services, Ill()).send(send), Retry)
    assert person.get(f"{PATH}/{made['id']}").get_json()["last_sent_at"] is None
    for _ in range(2):  # a try whose answer was lost comes again as the same letter
        assert sender(services, FileOutbox(outbox)).send(send) == Done()
    (file,) = outbox.iterdir()
    letter: EmailMessage = email.message_from_bytes(file.read_bytes(), policy=policy.default)  # type: ignore[assignment]
    assert (letter["To"], letter["Content-Language"]) == ("ann@north.example", "ru")
    assert "Отчёт за месяц" in letter["Subject"]
    html = letter.get_body(("html",))
    assert html is not None
    assert tenant.client["name"] in html.get_content()
    assert len(list(letter.iter_attachments())) == 2
    assert person.get(f"{PATH}/{made['id']}").get_json()["last_sent_at"] is not None


@needs_fonts
def test_given_a_letter_when_its_way_out_is_taken_then_nothing_is_sent_any_more(
    services: ApiServices, tenant: Tenant, person: Asker, outbox: Path, owner_engine: Engine
) -> None:
    made = person.made(PATH, {"user_id": me(person), "kind": "daily"})
    assert person.post(f"{PATH}/{made['id']}/send", {}).status_code == 202
    (args,) = waiting(owner_engine)
    assert sender(services, FileOutbox(outbox)).send(Job(1, SEND, 1, args)) == Done()
    (file,) = outbox.iterdir()
    letter = email.message_from_bytes(file.read_bytes(), policy=policy.default)
    link = re.fullmatch(r"<https://calls\.north\.example(/v1/.*)>", letter["List-Unsubscribe"])
    assert link is not None
    anybody = tenant.client_key.app.test_client(use_cookies=False)
    assert "<button>" in anybody.get(link[1]).text
    assert person.get(f"{PATH}/{made['id']}").get_json()["enabled"] is True
    for _ in range(2):
        assert anybody.post(link[1], data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert anybody.post(f"{PATH}/way-out?token=dr_x").status_code == 404
    assert anybody.post(link[1][:-1] + ("0" if link[1][-1] != "0" else "1")).status_code == 404
    assert person.get(f"{PATH}/{made['id']}").get_json()["enabled"] is False
    file.unlink()
    assert sender(services, FileOutbox(outbox)).send(Job(1, SEND, 1, args)) == Done()
    assert not list(outbox.iterdir())


def test_given_somebody_who_may_not_look_any_more_when_a_letter_is_due_then_it_is_not_sent(
    services: ApiServices, tenant: Tenant, person: Asker, outbox: Path
) -> None:
    made = person.made(PATH, {"user_id": me(person), "kind": "daily"})
    args = {"agency_id": tenant.agency["id"], "subscription_id": made["id"], "day": "2026-11-03"}
    with services.database.tenant(tenant.agency["id"]) as connection:
        connection.execute(text("UPDATE users SET state = 'disabled' WHERE id = :user"), {"user": made["user_id"]})
    assert sender(services, FileOutbox(outbox)).send(Job(1, SEND, 1, args)) == Done()
    assert not outbox.exists()


def test_given_the_commands_when_somebody_is_subscribed_then_they_list_and_remove_it(
    tenant: Tenant, person: Asker, command_line: Callable[..., str]
) -> None:
    made = json.loads(command_line(
        report_command, "subscribe", "weekly", "--user", me(person), "--client", tenant.client["id"], "--hour", "6",
        "--file", "xlsx",
    ))  # fmt: skip
    assert (made["kind"], made["files"]) == ("weekly", ["xlsx"])
    (line,) = command_line(report_command, "subscriptions").splitlines()
    assert json.loads(line)["id"] == made["id"]
    assert command_line(report_command, "unsubscribe", made["id"]) == "removed\n"
    assert command_line(report_command, "subscriptions") == ""


def test_given_a_person_who_is_removed_then_his_subscriptions_are(
    services: ApiServices, tenant: Tenant, person: Asker
) -> None:
    person.made(PATH, {"user_id": me(person), "kind": "daily"})
    assert tenant.client_key.get(PATH).get_json()["data"]
    signed_in(services, tenant.client_key.app, tenant.agency["id"], tenant.client["id"],
              email="other@north.example", role="owner")  # fmt: skip
    assert tenant.agency_key.delete(f"/v1/users/{me(person)}").status_code == 204
    assert tenant.client_key.get(PATH).get_json()["data"] == []
