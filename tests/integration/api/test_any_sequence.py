"""Whatever is asked in whatever order, of whomever, rightly or wrongly: Hypothesis plays two agencies against the API.

After each request: no answer of our own fault; what was refused has changed no row; what was done has changed rows of
its own tenant only; what was answered is what a reader is told afterwards; and what the tables promise one another
holds (the directory tells the numbers, calls run the flows as they stand, whoever signs in is found, every change is
in the audit log, no answer is kept by half).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from dialtrace.db.tables import TENANT

from .conftest import Asker, Tenant, document

Json = dict[str, Any]
#: Who asks; their agency, and client, if any.
Who = tuple[Asker, str | None, str | None]

#: What a request leaves behind whatever is answered: counts, last uses, kept answers.
LEFT_BEHIND = {"idempotency_keys", "request_windows", "api_keys", "sessions"}
#: Whose answers follow from another kind's.
FOLLOWS = {"pool": {"number"}, "role": {"user"}, "site": {"pool"}, "number": {"pool"}}
#: Of a whole agency, and moved by what a client's own key does.
SHARED = {"prompts", "event_sequences", "audit_log", "flow_notices"}
HOURS = {"time_zone": "Europe/London", "weekly": {"mon": [["09:00", "18:00"]]}}
BROKEN: list[Any] = [None, "", " ", 5, -1, True, [], {}, "x" * 300, "\u0000", "\ud800", "💥", ["x"], {"x": 1}, 1e300]
#: How far apart the numbers of two sequences are: every remainder that a choice below hangs on is the same in each.
ROUND = 2_520
MANY = {"max_examples": 6, "stateful_step_count": 25}
EVEN_MORE = {"max_examples": 60, "stateful_step_count": 50}


@dataclass(frozen=True)
class Kind:
    """Something that tenants make. ``made`` and ``changes``: from an id of a client, of a kind, and a number that
    nobody else has."""

    path: str
    made: Callable[[Callable[[str], str], int], Json]
    changes: tuple[Callable[[Callable[[str], str], int], Json], ...] = ()
    can_go: bool = True
    #: A GET of one that is gone still tells it.
    stays: bool = False
    secrets: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "client": Kind(
        "/v1/clients",
        lambda _, n: {"name": f"Client {n}", "time_zone": "Europe/Berlin"},
        (
            lambda _, n: {"name": f"Renamed {n}"},
            lambda of, _: {"backup_target_id": of("target")},
            lambda _, n: {"status": ("active", "suspended")[n % 2]},
        ),
        can_go=False,
    ),
    "target": Kind(
        "/v1/targets",
        lambda of, n: {"client_id": of("client"), "name": f"Target {n}", "address": f"sip:t{n}@pbx.example"},
        (lambda _, n: {"address": f"sip:u{n}@pbx.example"}, lambda _, n: {"ring_timeout_s": 5 + n % 50}),
        can_go=False,
    ),
    "flow": Kind(
        "/v1/flows",
        lambda of, n: {"client_id": of("client"), "name": f"Flow {n}", "document": document(of("target"))},
        (
            lambda of, _: {"document": document(of("target"), record=False)},
            lambda of, _: {"document": {"version": 1, "steps": [{"type": "goto", "flow": of("flow")}]}},
            lambda of, _: {"document": {"version": 2, "steps": [
                {"type": "schedule", "schedule": of("schedule"), "closed": "shut"},
                {"type": "hangup", "cause": "normal"},
                {"name": "shut", "type": "hangup", "cause": "busy"},
            ]}},
            lambda _, n: {"name": f"Renamed {n}"},
        ),
        can_go=False,
    ),
    "number": Kind(
        "/v1/numbers",
        lambda of, n: {
            "client_id": of("client"), "number": f"+44207{n // ROUND % 1_000:04d}{n % 40:03d}",
            "flow_id": of("flow") if n % 3 else None, "kind": ("static", "static", "dynamic")[n % 3],
        },
        (
            lambda of, _: {"flow_id": of("flow")},
            lambda _, n: {"status": ("active", "suspended")[n % 2], "label": f"{n}"},
            lambda _, n: {"channel": "offline", "source": f"poster {n}"},
            lambda _, __: {"channel": None},
        ),
        stays=True,
    ),
    "site": Kind(
        "/v1/sites",
        lambda of, n: {"client_id": of("client"), "name": f"Site {n}", "domains": [f"s{n}.example"]},
        (lambda _, n: {"domains": [f"r{n}.example"], "status": ("active", "suspended")[n % 2]},),
    ),
    "pool": Kind(
        "/v1/pools",
        lambda of, n: {"client_id": of("client"), "name": f"Pool {n}", "flow_id": of("flow") if n % 2 else None},
        (lambda of, _: {"flow_id": of("flow")}, lambda of, _: {"site_id": of("site")}),
        stays=True,
    ),
    "webhook": Kind(
        "/v1/webhooks",
        lambda of, n: {"client_id": of("client"), "url": f"https://h{n}.example/"},
        (lambda _, n: {"description": f"{n}"}, lambda of, _: {"client_ids": [of("client")]}),
        secrets=("secret",),
    ),
    "role": Kind(
        "/v1/roles",
        lambda _, n: {"name": f"Role {n % 7}", "permissions": ["calls.read"]},
        (lambda _, n: {"permissions": ["numbers.read"], "name": f"Role {n % 5}"},),
    ),
    "user": Kind(
        "/v1/users",
        lambda of, n: {
            "email": f"u{n % 9}@people.example", "name": "Ann", "client_id": of("client") if n % 2 else None,
            **({"role": "manager"} if n % 3 else {"role_id": of("role")}),
        },
        (lambda _, __: {"role": "read_only"}, lambda of, _: {"role_id": of("role")}, lambda _, n: {"name": f"A{n}"}),
    ),
    "book": Kind(
        "/v1/price-books",
        lambda _, n: {"side": ("client", "client", "agency")[n % 3], "name": f"Book {n}", "currency": "GBP"},
        (lambda _, n: {"name": f"Renamed {n}"},),
        can_go=False,
    ),
    "schedule": Kind(
        "/v1/schedules",
        lambda of, n: {"client_id": of("client"), "name": f"Hours {n}", "hours": HOURS},
        (
            lambda _, n: {"hours": {"weekly": {"sat": [["10:00", "14:00"]] if n % 2 else None}}},
            lambda _, n: {"name": f"Renamed {n}"},
        ),
    ),
    "export_schedule": Kind(
        "/v1/export-schedules",
        lambda of, n: {"client_id": of("client"), "name": f"{n}", "content": "calls", "format": "csv",
                       "every": "daily", "hour": n % 24},
        (lambda _, n: {"hour": (n + 1) % 24}, lambda _, n: {"enabled": bool(n % 2)}),
    ),
}  # fmt: skip

#: What the tables promise one another: whatever it finds is broken.
PROMISES = {
    "the directory tells the numbers": """
        SELECT n.e164 FROM numbers n JOIN agencies a USING (agency_id)
        JOIN clients c ON c.agency_id = n.agency_id AND c.id = n.client_id
        LEFT JOIN directory d ON d.number_id = n.id
        WHERE n.status <> 'released' AND (d.e164 IS DISTINCT FROM n.e164 OR d.agency_id <> n.agency_id
          OR d.client_id <> n.client_id OR d.status <> n.status OR d.kind <> n.kind
          OR (n.pool_id IS NULL AND d.flow_id IS DISTINCT FROM n.flow_id)
          OR d.tenant_status <> CASE WHEN 'suspended' IN (a.status, c.status) THEN 'suspended' ELSE 'active' END)""",
    "nothing is in the directory that no number is": """
        SELECT d.e164 FROM directory d WHERE d.status <> 'released'
          AND NOT EXISTS (SELECT FROM numbers n WHERE n.id = d.number_id AND n.status <> 'released')""",
    "calls run the flows as they stand": """
        SELECT f.id FROM flows f LEFT JOIN published_flows p ON p.flow_id = f.id
        WHERE p.version IS DISTINCT FROM f.version OR p.agency_id <> f.agency_id""",
    "a flow keeps to hours of its own client only": """
        SELECT f.id FROM flows f, jsonb_path_query(f.document, '$.steps[*].schedule') s
        WHERE NOT EXISTS (SELECT FROM schedules h WHERE h.id::text = s #>> '{}' AND h.client_id = f.client_id)""",
    "a number rings flows of its own client only": """
        SELECT n.id FROM numbers n JOIN flows f ON f.id = n.flow_id WHERE f.client_id <> n.client_id""",
    "a pool has dynamic numbers of its own client only": """
        SELECT n.id FROM pool_numbers m JOIN numbers n ON n.id = m.number_id JOIN pools p ON p.id = m.pool_id
        WHERE p.client_id <> n.client_id OR n.kind <> 'dynamic'""",
    "whoever signs in is found, and nobody else": """
        SELECT coalesce(u.email, s.email) FROM users u FULL JOIN sign_in_directory s
          ON (s.email, s.agency_id, s.user_id) = (u.email, u.agency_id, u.id)
        WHERE u.id IS NULL OR s.user_id IS NULL""",
    "every webhook has a secret, and a deleted one none": """
        SELECT w.id FROM webhooks w
        WHERE (w.state = 'deleted') = EXISTS (SELECT FROM webhook_secrets s WHERE s.webhook_id = w.id)""",
    "no answer is kept by half": "SELECT key FROM idempotency_keys WHERE status IS NULL",
    "what was made is in the audit log": """
        SELECT t.kind, t.id FROM (
            SELECT 'target' AS kind, id FROM targets UNION ALL SELECT 'flow', id FROM flows
            UNION ALL SELECT 'site', id FROM sites UNION ALL SELECT 'client', id FROM clients
            UNION ALL SELECT 'role', id FROM roles UNION ALL SELECT 'number', id FROM numbers) t
        WHERE t.id <> '00000000-0000-7000-8000-000000000002'
          AND NOT EXISTS (SELECT FROM audit_log l WHERE l.object_id = t.id AND l.action = t.kind || '.created')""",
}


@dataclass
class Ground:
    """The API, its tables, and everybody who asks."""

    make_tenant: Callable[[str], Tenant]
    engine: Engine
    count: itertools.count[int] = field(default_factory=itertools.count)

    def digest(self, agencies: list[str]) -> dict[tuple[str, str, str], str]:
        """What every table holds of each agency and client."""
        parts = []
        for table, column in TENANT.items():
            if table not in LEFT_BEHIND:
                client = f"coalesce({column}::text, '')" if column else "''"
                parts.append(
                    f"SELECT '{table}' AS name, agency_id::text AS agency, {client} AS client,"
                    f" md5(string_agg(t::text, '|' ORDER BY t::text)) AS held FROM {table} t"
                    f" WHERE agency_id = ANY (%(agencies)s::uuid[]) GROUP BY 1, 2, 3"
                )
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql(" UNION ALL ".join(parts), {"agencies": agencies})
            return {(row.name, row.agency, row.client): row.held for row in rows}

    def broken(self) -> dict[str, list[Any]]:
        with self.engine.connect() as connection:
            found = {name: connection.exec_driver_sql(query).all() for name, query in PROMISES.items()}
        return {name: rows[:5] for name, rows in found.items() if rows}


@dataclass
class Thing:
    """Something that was made, as it was answered last."""

    kind: str
    body: Json
    agency: str
    client: str | None

    @property
    def address(self) -> str:
        return f"{KINDS[self.kind].path}/{self.body['id']}"


class Sequences(RuleBasedStateMachine):
    """Requests in any order. Choices are numbers, of what there is at that moment."""

    ground: Ground

    @initialize()
    def begin(self) -> None:
        number = next(self.ground.count)
        self.tenants = [self.ground.make_tenant(f"{which} {number}") for which in ("North", "South")]
        self.agencies = [one.agency["id"] for one in self.tenants]
        self.things: list[Thing] = []
        self.replies: list[tuple[Asker, str, Json, str, int, Json, tuple[str, ...]]] = []
        self.held = self.ground.digest(self.agencies)
        self.taken = number * ROUND
        #: Who asks: reach, agency and client.
        self.askers: list[Who] = [(Asker(self.tenants[0].agency_key.app, None), None, None)]
        for one in self.tenants:
            self.askers.append((one.agency_key, one.agency["id"], None))
            self.askers.append((one.client_key, one.agency["id"], one.client["id"]))
            for client in (one.client, one.sibling):
                self.things.append(Thing("client", one.agency_key.get(f"/v1/clients/{client['id']}").get_json(),
                                         one.agency["id"], client["id"]))  # fmt: skip
            self.things.append(Thing("target", one.target, one.agency["id"], one.client["id"]))
            self.things.append(Thing("flow", one.flow, one.agency["id"], one.client["id"]))
            self.things.append(Thing("number", one.number, one.agency["id"], one.client["id"]))

    # --- What a request must keep to. ---

    def checked(self, asker: Who, answer: Any, sent: str, *, kept: bool, deed: bool = False) -> None:
        """``kept``: it may have changed something; ``deed``: nothing, but it is in the audit log that it was asked."""
        _, agency, client = asker
        assert answer.status_code < 500, f"{sent}: {answer.text}"
        after = self.ground.digest(self.agencies)
        changed = {key for key in self.held.keys() | after.keys() if self.held.get(key) != after.get(key)}
        self.held, self.changed = after, changed
        if not kept:
            changed -= {key for key in changed if deed and key[0] == "audit_log"}
            assert not changed, f"{sent} → {answer.status_code} has changed {sorted(changed)}"
        foreign = {key for key in changed if key[1] != agency}
        assert not foreign, f"{sent} has changed another agency's {sorted(foreign)}"
        if client is not None:
            others = {key for key in changed if key[2] != client and key[0] not in SHARED}
            assert not others, f"{sent} has changed another client's {sorted(others)}"

    def of(self, number: int, asker: Who, *, fitting: bool) -> Callable[[str], str]:
        """Picks ids: ``fitting``, of what the asker has; else of anybody's."""

        def pick(kind: str) -> str:
            known = [one for one in self.things if one.kind == kind and (not fitting or self.sees(asker, one))]
            return str(known[number % len(known)].body["id"]) if known else "0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47"

        return pick

    @staticmethod
    def sees(asker: Who, thing: Thing) -> bool:
        _, agency, client = asker
        return thing.agency == agency and client in (None, thing.client)

    # --- Requests. ---

    @rule(
        which=st.integers(0, 4), kind=st.sampled_from(sorted(KINDS)), number=st.integers(0, 10**6),
        fitting=st.sampled_from([True, True, True, False]), breaks=st.sampled_from([False, False, False, True]),
        member=st.integers(0, 20), value=st.sampled_from(BROKEN),
        repeats=st.booleans(), dry=st.sampled_from([False, False, False, True]),
    )  # fmt: skip
    def make(
        self, which: int, kind: str, number: int, *, fitting: bool, breaks: bool, member: int, value: Any,
        repeats: bool, dry: bool,
    ) -> None:  # fmt: skip
        """Something new, rightly or wrongly, alone or in a bulk that is tried only."""
        asker, made = self.askers[which], KINDS[kind]
        self.taken += 1
        body = made.made(self.of(number, asker, fitting=fitting), self.taken)
        if breaks:
            names = sorted([*body, "nonsense"])
            body[names[member % len(names)]] = value
        if dry:
            rows = [{"method": "POST", "path": made.path, "body": body}] * 2
            answer = asker[0].post("/v1/bulk", {"dry_run": True, "rows": rows})
            self.checked(asker, answer, f"a dry run of {body}", kept=False, deed=answer.status_code == 200)
            return
        key = f"k-{self.taken}"
        answer = asker[0].post(made.path, body, Idempotency_Key=key)
        self.checked(asker, answer, f"POST {made.path} {body}", kept=answer.status_code == 201)
        told = answer.get_json()
        if answer.status_code == 201:
            shown = {name: one for name, one in told.items() if name not in made.secrets}
            client = told["id"] if kind == "client" else told.get("client_id")
            assert told["agency_id"] == asker[1]
            assert asker[2] in (None, client), "a client's key has made something of somebody else's"
            self.things.append(Thing(kind, shown, told["agency_id"], client))
            self.must_be_told(f"POST {made.path} {body}")
        # Of what was refused before it was understood no answer is kept.
        if answer.status_code in (201, 409):
            self.replies.append((asker[0], made.path, body, key, answer.status_code, told, made.secrets))
        if repeats and answer.status_code in (201, 409):
            self.again(len(self.replies) - 1, other=False)

    @rule(number=st.integers(0, 10**6), other=st.booleans())
    def again(self, number: int, *, other: bool) -> None:
        """A request that was sent before; ``other``: its key with another body."""
        if not self.replies:
            return
        asker, path, body, key, status, told, secrets = self.replies[number % len(self.replies)]
        answer = asker.post(path, {**body, "name": "another"} if other else body, Idempotency_Key=key)
        who = next(one for one in self.askers if one[0] is asker)
        self.checked(who, answer, f"{path} again", kept=False)
        if other:
            assert answer.status_code == 422, answer.text
        else:
            assert (answer.status_code, answer.get_json()) == (
                status,
                {**told, **dict.fromkeys(secrets)} if status < 300 else told,
            )
            assert answer.headers["Idempotent-Replayed"] == "true"

    @rule(
        which=st.integers(0, 4), number=st.integers(0, 10**6), change=st.integers(0, 10),
        fitting=st.sampled_from([True, True, True, False]),
        tag=st.sampled_from(["now", "now", "now", "any", "old", "none"]),
        breaks=st.sampled_from([False, False, False, True]), value=st.sampled_from(BROKEN),
    )  # fmt: skip
    def change(
        self, which: int, number: int, change: int, *, fitting: bool, tag: str, breaks: bool, value: Any
    ) -> None:
        """A merge patch with the right tag, an old one, or none; of one's own thing or of somebody else's."""
        asker = self.askers[which]
        known = [one for one in self.things if KINDS[one.kind].changes and (not fitting or self.sees(asker, one))]
        if not known:
            return
        thing = known[number % len(known)]
        changes = KINDS[thing.kind].changes
        body = changes[change % len(changes)](self.of(number, asker, fitting=fitting), number)
        if breaks:
            body[sorted(body)[0]] = value
        tags = {"now": f'"v{thing.body["version"]}"', "any": "*", "old": f'"v{thing.body["version"] - 1}"'}
        headers = {"If_Match": tags[tag]} if tag in tags else {}
        answer = asker[0].patch(thing.address, body, **headers)
        sent = f"PATCH {thing.address} {body} {headers}"
        self.checked(asker, answer, sent, kept=answer.status_code == 200)
        if answer.status_code == 200:
            assert self.sees(asker, thing), f"{sent} has changed what the asker does not see"
            assert tag in ("now", "any"), f"{sent} was done"
            before, thing.body = thing.body, answer.get_json()
            if any(before[name] != thing.body[name] for name in before.keys() - {"version", "updated_at"}):
                self.must_be_told(sent)
            self.follow(thing)
        elif self.sees(asker, thing) and not breaks and tag in ("old", "none"):
            assert answer.status_code in (403, 412, 428), f"{sent} → {answer.status_code} {answer.text}"

    @rule(
        which=st.integers(0, 4), number=st.integers(0, 10**6), fitting=st.sampled_from([True, True, False]),
        tag=st.sampled_from(["now", "none", "old"]),
    )  # fmt: skip
    def remove(self, which: int, number: int, *, fitting: bool, tag: str) -> None:
        asker = self.askers[which]
        known = [one for one in self.things if KINDS[one.kind].can_go and (not fitting or self.sees(asker, one))]
        if not known:
            return
        thing = known[number % len(known)]
        headers = {"If_Match": f'"v{thing.body["version"] - (tag == "old")}"'} if tag != "none" else {}
        answer = asker[0].delete(thing.address, **headers)
        sent = f"DELETE {thing.address} {headers}"
        self.checked(asker, answer, sent, kept=answer.status_code in (200, 204))
        if answer.status_code in (200, 204):
            assert self.sees(asker, thing), f"{sent} has removed what the asker does not see"
            assert tag != "old", f"{sent} was done"
            if not KINDS[thing.kind].stays or answer.get_json()["version"] != thing.body["version"]:
                self.must_be_told(sent)
            self.follow(thing)
            if KINDS[thing.kind].stays:
                thing.body = self.owner(thing).get(thing.address).get_json()
            else:
                assert self.owner(thing).get(thing.address).status_code == 404
                self.things.remove(thing)

    @rule(which=st.integers(0, 4), number=st.integers(0, 10**6))
    def look(self, which: int, number: int) -> None:
        """One thing is told to whom it belongs, as it was answered last, and to nobody else."""
        asker, thing = self.askers[which], self.things[number % len(self.things)]
        answer = asker[0].get(thing.address)
        self.checked(asker, answer, f"GET {thing.address}", kept=False)
        if self.sees(asker, thing):
            assert answer.status_code in (200, 403), answer.text
        else:
            assert answer.status_code in (401, 403, 404), answer.text
        if answer.status_code == 200 and thing.kind != "client":
            told = answer.get_json()
            assert {name: told[name] for name in thing.body if name in told} == {
                name: thing.body[name] for name in thing.body if name in told
            }  # fmt: skip

    @rule(number=st.integers(0, 10**6), pick=st.integers(0, 10**6), adds=st.booleans())
    def fill(self, number: int, pick: int, *, adds: bool) -> None:
        """Numbers go into a pool, or leave it."""
        pools = [one for one in self.things if one.kind == "pool"]
        numbers = [one for one in self.things if one.kind == "number"]
        if not pools:
            return
        pool, chosen = pools[number % len(pools)], numbers[pick % len(numbers)]
        asker = next(one for one in self.askers if one[1] == pool.agency and one[2] is None)
        path = f"{pool.address}/numbers/{'add' if adds else 'remove'}"
        answer = asker[0].post(path, {"number_ids": [chosen.body["id"]]})
        self.checked(asker, answer, f"POST {path}", kept=answer.status_code < 300)
        if answer.status_code < 300:
            self.follow(pool)

    def follow(self, changed: Thing) -> None:
        """Reads anew what follows from it."""
        for thing in self.things:
            if thing.kind in FOLLOWS.get(changed.kind, ()) and thing.agency == changed.agency:
                thing.body = self.owner(thing).get(thing.address).get_json()
        self.held = self.ground.digest(self.agencies)

    def must_be_told(self, sent: str) -> None:
        """The request that was checked last has left an entry in the audit log."""
        assert any(key[0] == "audit_log" for key in self.changed), f"{sent} is not in the audit log"

    def owner(self, thing: Thing) -> Asker:
        return next(one[0] for one in self.askers if one[1] == thing.agency and one[2] is None)

    # --- What must hold at any time. ---

    @invariant()
    def promises_hold(self) -> None:
        assert self.ground.broken() == {}

    def teardown(self) -> None:
        """Lists tell what was made and not removed, and nothing else."""
        if not hasattr(self, "askers"):
            return
        for asker in self.askers[1:]:
            for kind in ("client", "target", "flow", "site", "webhook"):
                told = {one["id"] for one in asker[0].get(f"{KINDS[kind].path}?limit=200").get_json()["data"]}
                assert told == {one.body["id"] for one in self.things if one.kind == kind and self.sees(asker, one)}


@pytest.mark.parametrize(
    "size", [MANY, pytest.param(EVEN_MORE, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])], ids=["few", "many"]
)
def test_given_any_sequence_of_requests_when_answered_then_the_tables_keep_their_promises(
    make_tenant: Callable[[str], Tenant], owner_engine: Engine, size: dict[str, int]
) -> None:
    ground = Ground(make_tenant, owner_engine)
    machine = type("Machine", (Sequences,), {"ground": ground})
    run_state_machine_as_test(
        machine,
        settings=settings(
            **size, deadline=None, database=None, derandomize=size is MANY, suppress_health_check=list(HealthCheck)
        ),
    )
