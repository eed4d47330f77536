# ruff: noqa: E501 (one line a field, as the table that is made of it)
"""What each field of a call's record means, its unit, and where the fact comes from: the page docs/cdr-fields.md.

    python -m dialtrace.cdr.field_list > docs/cdr-fields.md

A test holds the lists against the model, against every captured file and against the page. Variables are those of the
switch's CDR of that leg; `dialtrace_*` those of docs/architecture.md. Pure but for ``main``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Field(NamedTuple):
    """One line of the page."""

    unit: str
    meaning: str
    source: str


_ID = "UUID"
_AT = "time, UTC, µs"
_MS = "ms"

CALL_FIELDS: Mapping[str, Field] = {
    "id": Field(_ID, "The call: the channel of the caller's leg.", "`uuid`"),
    "agency_id": Field(_ID, "Whose call it is; the operator's where nobody has the number.", "`dialtrace_agency`, else the directory by the dialled number"),
    "client_id": Field(_ID, "The client of that agency.", "`dialtrace_client`, else the directory"),
    "number_id": Field(_ID, "The number that was called.", "`dialtrace_number`; empty for a number that nobody has"),
    "number": Field("E.164", "What was dialled; the text as received where it is no such number.", "`dialtrace_dialled`, else the first caller profile"),
    "caller": Field("E.164", "Who called; empty where the number is withheld or not written internationally.", "first caller profile, `caller_id_number`; `sip_Privacy`"),
    "caller_raw": Field("text", "The caller as the carrier sent it.", "the same, cleaned"),
    "caller_name": Field("text", "The display name; empty where the number is withheld.", "first caller profile, `caller_id_name`"),
    "started_at": Field(_AT, "The INVITE came in and a channel was made.", "`dialtrace_started`, else `start_uepoch`"),
    "ringing_at": Field(_AT, "A target rang (180) or sent early media (183); an answer of ours is none.", "`progress_uepoch`, else `progress_media_uepoch`"),
    "answered_at": Field(_AT, "The platform answered the caller, if only for an announcement.", "`answer_uepoch`"),
    "connected_at": Field(_AT, "Caller and target could hear each other: bridged, and both had answered.", "first `bridged_time` of all caller profiles, `answer_uepoch`, `originate_causes`"),
    "ended_at": Field(_AT, "The caller's leg ended.", "`end_uepoch`"),
    "duration_ms": Field(_MS, "From start to end.", "the stamps above"),
    "ring_ms": Field(_MS, "From ringing to the connection, the answer or the end.", "the stamps above"),
    "talk_ms": Field(_MS, "From the connection to the end; of a caller who was moved to another target, the time with each.", "the stamps above; `callflow[].times`"),
    "billed_ms": Field(_MS, "From the answer to the end. Never the switch's `billsec`, which is up to a second off.", "the stamps above"),
    "pdd_ms": Field(_MS, "Post-dial delay: from the INVITE to ringing, early media or the answer.", "the stamps above"),
    "hold_ms": Field(_MS, "How long the caller's own telephone held the call; empty: never.", "`hold_accum_usec`"),
    "queue_ms": Field(_MS, "In queues, until connected, gone on or given up, with the ringing of targets kept for the caller; empty: in none. Exact where the switch logged the step, to the second otherwise. Targets that ring in turn because no worker is there are no queue.", "`dialtrace_q_<step>`, `dialtrace_trail`, `app_log`"),
    "outcome": Field("word", "Our own result of the call (docs/glossary.md); the causes beside it stay as they came.", "causes, `dialtrace_refused`, applications that ran"),
    "hangup_side": Field("word", "Who ended it: caller, target, platform, unknown.", "`sip_hangup_disposition`, `hangup_cause`, `last_bridge_hangup_cause`"),
    "hangup_cause": Field("word", "The switch's name for why it ended.", "`hangup_cause`"),
    "cause_q850": Field("number", "The same in ITU-T Q.850; empty for the switch's own causes. Answers give its name too (`q850_name`).", "by the cause's name, else `hangup_cause_q850` up to 127"),
    "sip_status": Field("number", "What the caller got: 200 once answered, else the status that the switch makes of the cause.", "`answer_uepoch`, `hangup_cause` (a refused call's CDR does not hold the status that was sent)"),
    "target_id": Field(_ID, "The target that was connected, the last of several.", "the leg's own file"),
    "legs_expected": Field("count", "How many legs got a channel, so that a late file is missed.", "`originated_legs`"),
    "node": Field("text", "The node that had the call.", "`dialtrace_node`, else the spool's"),
    "core_uuid": Field(_ID, "Which run of that node's switch.", "`core-uuid`"),
    "flow_id": Field(_ID, "The flow that was run.", "`dialtrace_flow`"),
    "flow_version": Field("number", "Its version.", "`dialtrace_flow_version`"),
    "decided_by": Field("word", "Who made the plan: worker, fallback, none.", "`dialtrace_decided`"),
    "fallback_reason": Field("word", "Why no worker did: plan, no_plan.", "`dialtrace_fallback`"),
    "codec": Field("word", "Of what came from the caller.", "`read_codec`, else `write_codec`"),
    "sip_call_id": Field("text", "`Call-ID` of the caller's dialog.", "`sip_call_id`"),
    "loss_percent": Field("%", "Packets from the caller that never came: missing by sequence number, at most the moments without a packet. An estimate, within a point of the truth in measured streams.", "`callStats`: `jitter_loss_rate`, `flaw_total` less 2 for each of `consecutiveFlaws`, capped by `skip_packet_count`"),
    "jitter_ms": Field(_MS, "The highest standard deviation that the gaps between packets came to, as the switch read them; empty where pauses are in it. No RFC 3550 jitter: the switch keeps none.", "`rtp_audio_in_jitter_max_variance`"),
    "r_factor": Field("0 to 93.2", "R of ITU-T G.107 (E-model) for G.711 with concealment, random loss, and the delay of a packet and of a jitter buffer; the network's own delay is unknown. Computed here; empty with fewer than 25 packets.", "`loss_percent`, `jitter_ms`, `codec`"),
    "mos": Field("1 to 4.41", "The MOS of that R. The switch's own, which is 4.50 for dead air, is never used.", "`r_factor`"),
    "verstat": Field("word", "STIR/SHAKEN: TN-Validation-Passed, TN-Validation-Failed, No-TN-Validation; empty: nobody verified.", "`sip_verstat_detailed` of a switch that verifies, else `dialtrace_verstat`: the header `X-Dialtrace-Verstat` from an address of `DIALTRACE_NODE_EDGES`"),
    "attestation": Field("A, B, C", "Of a signature that was verified and good.", "the same"),
    "attested_by": Field("word", "Who verified: switch, edge.", "the same"),
    "diversion": Field("text", "The `Diversion` header as it came; the switch keeps the last of several.", "`sip_h_Diversion`"),
    "diverted_from": Field("E.164", "Its number, where it is written internationally.", "`sip_h_Diversion`"),
    "spam_score": Field("0 to 100", "As the flow saw it; empty: nobody scored the caller.", "`dialtrace_spam`"),
    "cost": Field("decimal", "What the call costs its client; empty until it was priced.", "the job `billing.rate`, nothing else"),
    "cost_currency": Field("ISO 4217", "Of the cost.", "the same"),
    "cost_revision": Field("number", "The revision that was priced; below `revision` the call wants pricing anew.", "the same"),
    "should_record": Field("yes or no", "Whether the flow wanted a recording; what became of it is in the ledger.", "`dialtrace_record`"),
    "is_test": Field("yes or no", "A call of the installation's own, to prove a number.", "`dialtrace_test`"),
    "facts": Field("object", "Everything below.", ""),
    "revision": Field("count", "Of the record: a late leg, other facts.", "the database"),
    "created_at": Field(_AT, "The record was stored.", "the database"),
    "updated_at": Field(_AT, "It was changed last.", "the database"),
}  # fmt: skip

LEG_FIELDS: Mapping[str, Field] = {
    "id": Field(_ID, "The leg: its own channel.", "`uuid`"),
    "call_id": Field(_ID, "The call it belongs to.", "`dialtrace_call`"),
    "target_id": Field(_ID, "The target it rang.", "`dialtrace_target`"),
    "address": Field("SIP URI", "Where it was sent.", "`sip_req_uri`, else `sip_to_uri`"),
    "outcome": Field("word", "As of a call. A leg that answered a whisper and was never bridged is `no_answer`.", "`hangup_cause`, the stamps below"),
    "started_at": Field(_AT, "Its channel was made.", "`start_uepoch`"),
    "ringing_at": Field(_AT, "180, else 183.", "`progress_uepoch`, else `progress_media_uepoch`"),
    "answered_at": Field(_AT, "It answered, if only to a whisper.", "`answer_uepoch`"),
    "connected_at": Field(_AT, "It was bridged and had answered.", "`bridge_uepoch`, `answer_uepoch`"),
    "ended_at": Field(_AT, "It ended.", "`end_uepoch`"),
    "ring_ms": Field(_MS, "From ringing to the answer or the end.", "the stamps above"),
    "talk_ms": Field(_MS, "From the connection to the end.", "the stamps above"),
    "pdd_ms": Field(_MS, "From our INVITE to ringing, early media or the answer.", "the stamps above"),
    "hold_ms": Field(_MS, "How long the target held the call; empty: never.", "`hold_accum_usec`"),
    "hangup_cause": Field("word", "The switch's name for why it ended.", "`hangup_cause`"),
    "cause_q850": Field("number", "As of a call.", "by the cause's name, else `hangup_cause_q850` up to 127"),
    "sip_status": Field("number", "What the target said: 200 once answered, else its own final status; empty: it said nothing.", "`sip_term_status`, `sip_invite_failure_status`, `proto_specific_hangup_cause`"),
    "hangup_side": Field("word", "Who ended it. A caller's hang-up reaches the leg through the bridge; timers and lost races are the platform's.", "`sip_hangup_disposition`, `hangup_cause`"),
    "trunk": Field("text", "Of a telephone number: the trunk it went by.", "`dialtrace_trunk`"),
    "codec": Field("word", "Of what came from the target.", "`read_codec`, else `write_codec`"),
    "sip_call_id": Field("text", "`Call-ID` of the target's dialog.", "`sip_call_id`"),
    "loss_percent": Field("%", "As of a call, of what came from the target.", "as of a call"),
    "jitter_ms": Field(_MS, "As of a call.", "as of a call"),
    "r_factor": Field("0 to 93.2", "As of a call.", "as of a call"),
    "mos": Field("1 to 4.41", "As of a call.", "as of a call"),
    "facts": Field("object", "Everything below.", ""),
    "revision": Field("count", "Of this leg.", "the database"),
}  # fmt: skip

FACTS: Mapping[str, Field] = {
    "answered_not_connected": Field("yes", "Leg: it answered and was never bridged.", "the stamps"),
    "attempt_causes": Field("list", "Each leg of the call with its cause; NONE is the winner.", "`originate_causes`"),
    "attempts": Field("list", "Every target that the plan may ring, in order; one without a leg had no channel.", "`dialtrace_attempts`"),
    "attestation_claimed": Field("A, B, C", "What an unverified header says.", "`sip_identity` (the PASSporT's `attest`), else `P-Attestation-Indicator`"),
    "blocked_by": Field("word", "Which block list held.", "`dialtrace_blocked`"),
    "connected_leg": Field(_ID, "The leg that was connected.", "`originate_causes`, `bridge_uuid`"),
    "consent": Field("word", "given, refused.", "`dialtrace_consent`"),
    "failure_phrase": Field("text", "Leg: the words beside its final status.", "`sip_invite_failure_phrase`"),
    "hangup_disposition": Field("word", "Who sent what: recv_bye, send_bye, recv_cancel, send_cancel, recv_refuse, send_refuse.", "`sip_hangup_disposition`"),
    "legs": Field("list", "Channels of the legs, in order.", "`originated_legs`"),
    "media": Field("object", "Packets received, sent, lost, and the switch's counters as they came; `no_audio_in`: sound was sent and none came back.", "`rtp_audio_in_*`, `rtp_audio_out_*`, `callStats`"),
    "moves": Field("list", "When a caller who was talking was moved on (`uuid_transfer`).", "`callflow[].times`: `bridged_time`, `transfer_time`"),
    "network_address": Field("address", "Where the INVITE came from.", "`sip_network_ip`"),
    "origid": Field(_ID, "Where the carrier says that the call began.", "the PASSporT's `origid`, else `P-Origination-ID`"),
    "over_limit": Field("word", "Which limit was reached.", "`dialtrace_over`"),
    "reason": Field("text", "The `Reason` header as it came.", "`sip_reason`"),
    "record_completion": Field("word", "How the last recording ended.", "`record_completion_cause`"),
    "record_ms": Field(_MS, "Length of the last recording alone.", "`record_ms`"),
    "recording_rule": Field("word", "yes, no: what the flow said.", "`dialtrace_record`"),
    "refused": Field("word", "Why the call was refused on purpose.", "`dialtrace_refused`"),
    "segments_started": Field("count", "Segments of the recording that were begun.", "`dialtrace_segments`"),
    "source": Field("word", "event, journal: the file never came, and this stands in for it.", "the monitor's journal"),
    "spam_rules": Field("list", "What the spam score is made of.", "`dialtrace_spam_rules`"),
    "tags": Field("list", "What the flow tagged the call with.", "`dialtrace_tags`"),
    "target_cause": Field("word", "Why the last attempt at a target failed.", "`originate_disposition`, `originate_causes`"),
    "trail": Field("list", "The steps that ran, when, and what they brought.", "`dialtrace_trail`, `app_log`"),
    "variables": Field("object", "The flow's own variables at the end.", "`dialtrace_v_<name>`"),
}  # fmt: skip

_HEAD = """# The fields of a call's record

Made by `make docs` from `platform/cdr/field_list.py`; tests hold it against the model and every captured file.

One record a call, one for each leg; `GET /v1/calls/{id}` shows both. Every moment is exact to the microsecond as the switch
stamped it (answers show it so), every length is whole milliseconds between two such stamps, rounded down, never negative.
Empty means that it never happened or that nobody knows: nothing is guessed, and no figure is made of nothing. What a caller
or a carrier wrote is cleaned of control characters. A call whose file never came has only what the node's journal or its
hang-up event told (`source`).

**Sound.** The figures of the call are of what came from the caller, those of a leg of what came from that target, both as
they arrived at the node. The E-model's figures are not to be compared with a switch's own MOS.

**Transfers.** A target's own transfer by re-INVITE stays one leg; REFER is refused. A caller whom an operator moves to
another target (`uuid_transfer`) has a leg for each, `moves`, and as `talk_ms` the time with each.
"""


def page() -> str:
    """docs/cdr-fields.md."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    for title, listed in (("Call", CALL_FIELDS), ("Leg", LEG_FIELDS), ("`facts`, of calls and legs", FACTS)):
        yield f"## {title}\n"
        yield "| field | unit | meaning | source |\n|---|---|---|---|"
        yield from (f"| `{name}` | {one.unit} | {one.meaning} | {one.source or '–'} |" for name, one in listed.items())
        yield ""


def main() -> None:
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
