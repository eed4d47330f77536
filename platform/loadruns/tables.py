"""The tables of a profile, each with what its values may be. Pure; what they mean together is in profile.py."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
E164 = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{4,14}$")]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=2_000, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, le=600_000, allow_inf_nan=False)]

#: What a target does with a call, and what its caller then hears: SIP status, outcome in the call's record.
BEHAVIOURS = {
    "answers": (200, "answered"),
    "silent": (200, "answered"),
    "early_media": (200, "answered"),
    "hangs_up": (200, "answered"),
    "busy": (486, "busy"),
    "rejects": (603, "rejected"),
    "no_answer": (480, "no_answer"),
    "dead": (480, "unreachable"),
}
Behaviour = Literal["answers", "silent", "early_media", "hangs_up", "busy", "rejects", "no_answer", "dead"]


class Strict(BaseModel):
    """No key that nobody reads, no value that is quietly turned into another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Host(Strict):
    """A machine that places calls, or answers them."""

    name: Name
    address: str
    #: `user@machine` as ssh takes it; empty: this machine.
    ssh: str = ""
    places: bool = True
    answers: bool = True

    @field_validator("address")
    @classmethod
    def _is_ip(cls, value: str) -> str:
        try:
            ipaddress.IPv4Address(value)
        except ValueError as error:
            raise ValueError("must be an IPv4 address: SIP and RTP carry it") from error
        return value

    @field_validator("ssh")
    @classmethod
    def _is_destination(cls, value: str) -> str:
        if value.startswith("-") or any(letter.isspace() for letter in value):
            raise ValueError("must be what ssh takes as its destination, such as load@10.0.0.7")
        return value


class System(Strict):
    """What is loaded. `own`: a platform that the run starts for itself; `standing`: one that runs."""

    kind: Literal["own", "standing"] = "own"
    switch: Literal["embedded", "freeswitch"] = "embedded"
    #: Of a platform that runs: where its nodes take SIP, and its API.
    nodes: list[str] = []
    api: str = ""
    #: Numbers that the run may use there; each kind of call takes one for each host that answers.
    numbers: list[E164] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Of the nodes."""
        return [(host, int(port)) for host, _, port in (one.rpartition(":") for one in self.nodes)]

    @field_validator("nodes")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for one in value:
            host, colon, port = one.rpartition(":")
            try:
                ipaddress.IPv4Address(host)
            except ValueError as error:
                raise ValueError(f"{one!r} must be ADDRESS:PORT with an IPv4 address") from error
            if not colon or not port.isdigit() or not 0 < int(port) < 65_536:
                raise ValueError(f"{one!r} must be ADDRESS:PORT")
        return value


class Step(Strict):
    """A piece of the rate curve: from one rate to another, straight."""

    for_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
    from_cps: Rate
    to_cps: Rate | None = None

    @property
    def to(self) -> float:
        return self.from_cps if self.to_cps is None else self.to_cps


class Curve(Strict):
    """Calls a second over time, and whether they come evenly or by chance (Poisson)."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=100)]
    arrivals: Literal["even", "random"] = "even"
    warm_up_s: Seconds = 0.0
    seed: int = 1


class Talk(Strict):
    """What happens while a call stands."""

    hold_s: Annotated[float, Field(ge=0.2, le=7_200, allow_inf_nan=False)] = 10.0
    hold: Literal["fixed", "random"] = "fixed"
    #: `tone`, `none` (no RTP at all), or the path of a WAV file (8,000 samples a second, 16 bits, one channel).
    audio: str = "tone"
    record: bool = True
    #: Of the packets that our telephones should send, so many are not: a bad line.
    drop: Share = 0.0


class Target(Strict):
    """A telephone that is called."""

    name: Name
    behaviour: Behaviour
    ring_s: Annotated[float, Field(ge=0, le=120, allow_inf_nan=False)] = 0.5
    #: Of `rejects`.
    status: Annotated[int, Field(ge=400, le=699)] = 603
    #: Of `hangs_up`: so long after the answer.
    after_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 1.0


class Calls(Strict):
    """One kind of call: how many of all, who calls how, whom the flow rings."""

    name: Name
    share: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
    #: Rung in this order; none: the number is nobody's.
    targets: Annotated[list[Name], Field(max_length=8)] = []
    caller: Literal["hangs_up", "waits", "gives_up"] = "hangs_up"
    #: Of `gives_up`: so long after it began to ring.
    after_s: Annotated[float, Field(ge=0, le=120, allow_inf_nan=False)] = 1.0
    #: Keys that the caller presses (RFC 4733); the flow has a menu that lets no other key through.
    dtmf: Annotated[str, Field(pattern=r"^[0-9*#]{0,1}$")] = ""
    from_number: E164 = "+447700900000"
    #: How many callers there are, counted up from `from_number`.
    callers: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    ring_timeout_s: Annotated[int, Field(ge=1, le=120)] = 20
    #: What must come of it; by itself what the last target does.
    status: Annotated[int, Field(ge=200, le=699)] | None = None
    outcome: str | None = None


class Flood(Strict):
    """Traffic beside the calls that is none."""

    name: Name
    kind: Literal["options", "register", "malformed"]
    cps: Annotated[float, Field(gt=0, le=5_000, allow_inf_nan=False)]
    from_s: Seconds = 0.0
    for_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Limits(Strict):
    """What the run must keep; one that is not given is not asked for. They make the exit status."""

    setup_p99_ms: Milliseconds | None = None
    post_dial_delay_p99_ms: Milliseconds | None = None
    failed: Share | None = None
    rtp_lost: Share | None = None
    jitter_p99_ms: Milliseconds | None = None
    #: Calls that our own generator began more than 100 ms late: above it, the figures say more of the generator.
    late: Share = 0.05
    books: bool = True


class Stop(Strict):
    """When a run ends before its time: of the calls settled in the last ``window_s`` more than this share got a wrong
    answer, or heard nothing for so long."""

    window_s: Annotated[float, Field(ge=1, le=600, allow_inf_nan=False)] = 5.0
    failed: Share = 0.5
    setup_ms: Milliseconds = 10_000.0


class Bounds(Strict):
    """What a run may never exceed, whatever else the profile says; checked before it starts. Each generator is given
    its share of the calls that may stand, and a time limit."""

    calls: Annotated[int, Field(ge=1, le=5_000_000)] = 20_000
    cps: Annotated[float, Field(gt=0, le=2_000, allow_inf_nan=False)] = 200.0
    standing: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    seconds: Annotated[float, Field(gt=0, le=90_000, allow_inf_nan=False)] = 3_600.0


class Search(Strict):
    """Steps of rising rate until it breaks: the highest rate that keeps both limits."""

    first_cps: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] = 5.0
    most_cps: Annotated[float, Field(gt=0, le=2_000, allow_inf_nan=False)] = 200.0
    step_s: Annotated[float, Field(ge=2, le=600, allow_inf_nan=False)] = 8.0
    resolution: Annotated[float, Field(gt=1, le=2, allow_inf_nan=False)] = 1.06
    attempts: Annotated[int, Field(ge=1, le=5)] = 2
    setup_p99_ms: Milliseconds = 500.0
    failed: Share = 0.0
    #: Of each search.
    within_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 600.0
    #: So often it is searched for; the limits that are found must lie within ``agree`` of their median.
    repeat: Annotated[int, Field(ge=1, le=10)] = 1
    agree: Share = 0.1


class Soak(Strict):
    """A long run in which nothing may grow: memory, open files, threads, greenlets, connections of the database."""

    #: So much of the beginning is not looked at: caches fill, pools open.
    settle_s: Annotated[float, Field(ge=0, le=7_200, allow_inf_nan=False)] = 300.0
