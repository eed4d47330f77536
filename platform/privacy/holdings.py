# ruff: noqa: E501 (one line a table: whoever adds one gets no conflict with whoever adds another)
"""What the platform holds of people: of every column of every table somebody has said what it may tell.

One entry a table, nothing but words, so that whoever adds a table adds a line here. Three kinds:

- ``nobody``: no column tells who a caller or visitor is. Ids do not: what they lead to does, and goes.
- ``people``: the columns named first may tell it (a number, a name, what somebody said, pressed or sent, a hash of one
  of these, free text that others fill). ``by`` names who clears them: ``mentions`` (the number is taken out of every
  text of the table: `tables_walk`, nothing else to do), ``rows`` (a row that names it goes), ``requests`` (the room
  itself: requests, holds, receipts; calls that stand are waited for), or a holder of a room, registered under that name
  in `services`. Text and JSON of a table with an ``agency_id`` are always cleared by mention too; a hash or an encrypted
  body needs a holder.
- ``tenants``: what an agency, a client or the operator has written down about itself, its own people included. It
  goes through its own endpoint, not by a caller's request; a subject request says where it names the number.

`tests/integration/db/test_holdings.py` compares this page with the database's own catalogue. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["nobody", "people", "tenants"]


@dataclass(frozen=True)
class Held:
    """One table: its columns that may tell who somebody is, all others, and who erases the first."""

    kind: Kind
    personal: frozenset[str]
    other: frozenset[str]
    by: str | None = None

    @property
    def columns(self) -> frozenset[str]:
        return self.personal | self.other


def nobody(columns: str) -> Held:
    """A table that tells nothing of a person."""
    return Held("nobody", frozenset(), frozenset(columns.split()))


def people(personal: str, *, by: str, other: str) -> Held:
    """A table that holds personal values of callers or visitors; ``by``: the eraser that is registered for it."""
    return Held("people", frozenset(personal.split()), frozenset(other.split()), by)


def tenants(personal: str, *, other: str) -> Held:
    """A table that holds what tenants have written down."""
    return Held("tenants", frozenset(personal.split()), frozenset(other.split()))


#: Every table of the database but Alembic's own; of a library's tables too. A partition is its parent.
HOLDINGS: Mapping[str, Held] = {
    "admissions": nobody("agency_id call_id client_id admitted_at told"),
    "agencies": tenants("name", other="agency_id status created_at updated_at version second_factor_required"),
    "api_keys": tenants("name last_used_from", other="agency_id id client_id role secret_hash created_at last_used_at expires_at revoked_at may_listen scopes networks rotated_from"),
    "attribution_due": nobody("agency_id call_id what client_id call_started_at due_since tries"),
    "attribution_fits": nobody("agency_id id client_id site_id kind fitted_at from_at until_at calls parameters"),
    "attributions": people("keyword candidates visitor_id", by="mentions", other="agency_id call_id revision client_id call_started_at made_at method rung visit_id visit_started_at probability nobody channel source medium campaign content source_probability curve_id digest"),
    "corrections": people("note source campaign content keyword", by="mentions", other="agency_id id client_id call_id call_started_at kind said_at said_by visit_id visit_started_at code channel medium"),
    "impressions": people("reference visitor_id channel source medium campaign content keyword", by="rows", other="agency_id client_id shown_at imported_at"),
    "promo_codes": nobody("agency_id client_id code visit_id visit_started_at given_at expires_at"),
    "touches": people("keyword visitor_id", by="mentions", other="agency_id call_id revision path place client_id call_started_at probability kind touched_at is_lead visit_id channel source medium campaign content"),
    "audit_log": tenants("address details", other="agency_id id at client_id actor_kind actor_id actor_name request_id action object_kind object_id"),
    "billing_accounts": nobody("agency_id scope_id client_id currency time_zone price_book_id mode lowest_balance alarms due_days grace_days then_action state state_at balance entries metered_until closed_until created_at updated_at version"),
    # Of a call its id and the prefix of a price: no number.
    "call_charges": nobody("agency_id call_id side rating kind part client_id call_started_at call_revision meter direction prefix price quantity free package amount currency book_id edition batch rated_at"),
    "ledger_entries": tenants("reference note", other="agency_id scope_id place client_id kind day amount balance currency batch lines posted_at"),
    "package_use": nobody("agency_id scope_id book_id package month used"),
    "price_books": tenants("name", other="agency_id id side currency edition created_at updated_at version"),
    "price_editions": nobody("agency_id book_id edition valid_from places rounding monthly_minimum made_at"),
    "price_packages": nobody("agency_id book_id edition name quantity"),
    "price_rates": nobody("agency_id book_id edition meter direction prefix amount setup minimum initial_s increment_s proration package"),
    "rating_places": nobody("agency_id position rated_at"),
    "reratings": nobody("agency_id id client_id side price_book_id from_at until_at dry_run state calls changed difference done_clients fault created_at finished_at"),
    "statements": tenants("document", other="agency_id scope_id month client_id place currency total closing_balance made_at due_at"),
    "usage_records": tenants("reference note", other="agency_id id client_id day meter quantity source noted_at"),
    "blocks": people("pattern note", by="rows", other="agency_id id client_id scope_id kind created_at"),
    "call_assessments": people("tags note sale_reference", by="mentions", other="agency_id call_id client_id call_started_at score value_amount value_currency sale_amount sale_currency sold_at version updated_at"),
    "ad_spend": nobody("agency_id client_id day digest channel source medium campaign content keyword impressions clicks cost currency imported_at"),
    # Its days are summed up anew when the records behind them change; what a keyword may tell is taken out at once.
    "report_sums": people("keyword", by="mentions", other="agency_id client_id cut span day family place hour channel source medium campaign content number flow target outcome sale_currency calls first_calls repeat_calls answered missed blocked answer_ms slow_answers talk_ms target_calls leads sales revenue spam_calls confident_calls visits"),
    "report_callers": nobody("agency_id client_id cut span day place channel source previous_span previous_day callers"),
    "report_subscriptions": nobody("secret agency_id id user_id client_id kind hour time_zone language files enabled next_at last_sent_at created_at updated_at version"),
    "report_changes": nobody("agency_id id client_id from_at until_at noted_at"),
    "report_coverage": nobody("agency_id client_id edition time_zone settings_version covered_until archived_until updated_at"),
    "report_settings": nobody("agency_id client_id target_answered target_min_talk_s target_min_score target_tags_any target_tags_none target_without_spam answer_norm_s confidence spam_from currency version updated_at"),
    "call_limits": nobody("agency_id scope_id client_id max_calls max_calls_per_s updated_at"),
    "call_revisions": people("before", by="mentions", other="agency_id id call_started_at call_id client_id leg_id revision replaced_at"),
    "carriers": tenants("name file base_url", other="agency_id id adapter sealed_token enabled created_at updated_at version"),
    "caller_patterns": people("caller_key", by="habits", other="hour_began calls short_calls clients calls_before short_calls_before clients_before score rules updated_at"),
    "caller_secret": nobody("id inner_key outer_key"),
    "calls": people("caller caller_raw caller_name caller_key sip_call_id diversion diverted_from facts digest", by="calls", other="agency_id id started_at client_id number_id number node core_uuid flow_id flow_version decided_by fallback_reason outcome ringing_at answered_at connected_at ended_at duration_ms ring_ms talk_ms billed_ms target_id hangup_cause cause_q850 sip_status hangup_side codec should_record legs_expected revision created_at updated_at is_test anonymised_at pdd_ms hold_ms queue_ms loss_percent jitter_ms r_factor mos verstat attestation attested_by spam_score cost cost_currency cost_revision"),
    "clients": tenants("name", other="agency_id id time_zone status created_at updated_at version backup_target_id"),
    "consents": nobody("agency_id call_id call_started_at client_id rule step notice notice_sha256 played_at answer answered_at flow_id flow_version noted_at"),
    "decisions": people("body answer url fault", by="mentions", other="agency_id id client_id call_id node step choices asked_at deadline_at state settled_at woken_at"),
    "destinations": nobody("agency_id prefix"),
    "directory": nobody("e164 agency_id client_id number_id status tenant_status kind flow_id version changed_xid source campaign"),
    "erased_people": people("person_key", by="requests", other="agency_id id client_id before_at listed_at"),
    "erasure_sweeps": nobody("agency_id erasure_id node swept_at"),
    "event_sequences": nobody("agency_id last_position"),
    "events": nobody("agency_id id client_id type call_id revision occurred_at position data recorded_at"),
    "flow_notices": nobody("agency_id flow_id version record steps"),
    "export_objects": people("sha256", by="copies", other="agency_id id client_id kind format content place object_name state from_at until_at row_count size_bytes made_at rewritten_at expires_at deleted_at export_id"),
    "export_columns": nobody("agency_id client_id calls events audit updated_at"),
    "export_schedules": tenants("name", other="agency_id id client_id content format every hour weekday day time_zone bom enabled covered_until last_cut_at next_run_at last_export_id created_at updated_at version"),
    # No caller is ever a filter of an export that is kept; its files stand in export_objects.
    # A visitor's id tells nobody: what it leads to stands in visits.
    "exposures": nobody("agency_id id client_id site_id pool_id number_id visit_id visit_started_at visitor_id rung shown_at seen_until held_until tail_s clicked_at"),
    "exports": tenants("filters", other="agency_id id client_id schedule_id content format from_at until_at late_since bom columns state cut_at row_count error created_at finished_at expires_at"),
    "flows": tenants("name document", other="agency_id id client_id created_at updated_at version"),
    "hook_secrets": nobody("agency_id id client_id secret made_at expires_at"),
    "idempotency_keys": people("key answer body_digest request", by="rows", other="agency_id key_id status created_at"),
    "legal_holds": people("person_key hint reason", by="requests", other="agency_id id client_id kind call_id placed_by placed_at lifted_by lifted_at"),
    "legs": people("address sip_call_id facts digest", by="calls", other="agency_id id call_started_at call_id client_id target_id outcome started_at ringing_at answered_at connected_at ended_at ring_ms talk_ms hangup_cause cause_q850 sip_status codec revision created_at updated_at hangup_side trunk pdd_ms hold_ms loss_percent jitter_ms r_factor mos"),
    "live_calls": people("caller source", by="requests", other="agency_id call_id client_id node number_id number flow_id state started_at ringing_at answered_at connected_at target_id seen_at is_test"),
    "live_counts": nobody("agency_id scope_id node calls heard_at"),
    "node_minutes": nobody("answered begun delivered ended minute node talk_ms"),
    "watch_notes": nobody("data name told_at"),
    "nodes": nobody("name sip_address kind state core_uuid switch_version sessions max_sessions weight last_seen_at created_at drain_asked_at waits"),
    "number_orders": tenants("label details reason", other="agency_id id client_id carrier_id kind e164 state number_kind flow_id reference scheduled_for number_id created_at updated_at version"),
    "number_returns": tenants("reason", other="agency_id number_id client_id carrier_id e164 state due_at tries given_back_at created_at updated_at version"),
    "number_proofs": nobody("agency_id number_id client_id outcome tried_at proven_at call_id node total_ms steps"),
    "numbers": tenants("label", other="agency_id id client_id e164 kind status flow_id created_at updated_at released_at version pool_id region state state_at state_reason free_from carrier_id channel source medium campaign content keyword"),
    # A job's arguments are ids, dates and short words; jobs.model refuses what looks like a person's.
    "procrastinate_events": nobody("at id job_id type"),
    "procrastinate_jobs": nobody(
        "abort_requested args attempts id lock priority queue_name queueing_lock scheduled_at status task_name worker_id"
    ),
    "procrastinate_periodic_defers": nobody("defer_timestamp id job_id periodic_id task_name"),
    "procrastinate_workers": nobody("id last_heartbeat"),
    "privacy_receipts": people("document signature", by="requests", other="agency_id id client_id kind request_id key_id made_at"),
    # No telephone number leads to a visitor until a call is attributed.
    "visits": people("landing_page referrer click_ids keyword address address_hash visitor_id analytics_ids", by="visits", other="agency_id id started_at client_id site_id channel source medium campaign content classified_by rules_version device region consent pages last_seen_at left_at is_bot is_preview"),
    "integration_deliveries": people("attempts detail", by="integrations", other="agency_id id client_id integration_id call_id type rank revision occurred_at is_late state reason tries due_at claim claimed_until created_at first_try_at settled_at"),
    # What the other side said of a refusal.
    "integration_readings": tenants("detail", other="agency_id integration_id client_id mark due_at claim claimed_until read_at fault"),
    # Ids of the other system.
    "integration_objects": nobody("agency_id integration_id call_id name client_id state remote_id data begun_at made_at"),
    "integrations": tenants("name settings detail", other="agency_id id client_id system sealed account event_types state reason state_at position failing_since last_success_at last_failure_at last_fault created_at updated_at version most_together"),
    "vendor_accounts": nobody("account next_at rest_until"),
    "webhook_deliveries": people("attempts", by="webhooks", other="agency_id id client_id webhook_id message_id type call_id rank revision position occurred_at state tries is_pulled due_at claim claimed_until created_at first_try_at settled_at replays"),
    "webhook_secrets": nobody("agency_id id client_id webhook_id sealed made_at expires_at"),
    "webhooks": tenants("url host description", other="agency_id id client_id event_types client_ids state reason state_at position failing_since rest_until last_success_at last_failure_at last_fault created_at updated_at version"),
    "placements": nobody("e164 nodes changed_xid"),
    "pool_hours": nobody("agency_id pool_id hour client_id visits shared source site held_s numbers"),
    "pool_numbers": nobody("agency_id number_id client_id pool_id region first_node free_from live_until shared_until visit_id visitor"),
    "pool_reserves": nobody("agency_id pool_id source client_id number_id"),
    "pools": tenants("name", other="agency_id id client_id site_id flow_id region match_region shares tail_s rest_s loss_target fewest_numbers most_numbers grows number_price monthly_budget currency status created_at updated_at version"),
    "prompts": tenants("label wav name text_sha256 sha256", other="agency_id kind language voice duration_ms created_at"),
    "published_flows": tenants("compiled", other="flow_id agency_id version telephones tells changed_xid"),
    "queue_entries": nobody("agency_id call_id client_id flow_id step node targets reserve_s joined_at state target_id reserved_until woken_at held_until offers"),
    "queue_targets": nobody("agency_id target_id offered_at rest_until"),
    "receipt_keys": nobody("key_id public_key sealed_private_key made_at"),
    "recording_keys": nobody("agency_id id sealed is_current made_at destroyed_at"),
    "recording_settings": nobody("agency_id scope_id client_id format keep_original updated_at"),
    "recording_stores": tenants("bucket prefix endpoint_url access_key_id secret", other="agency_id id region encryption is_current created_at updated_at"),
    "recordings": people("sha256 peaks object_checksum original_sha256 data_key original_key", by="recordings", other="agency_id id client_id call_id call_started_at segment state absence_reason node node_path object_name size_bytes duration_ms channels attempts last_error created_at updated_at stored_at store_id format sample_rate peak_frames object_bytes key_id convert_to original_name original_bytes"),
    "request_windows": nobody("agency_id subject_id began_at taken granted"),
    "retention_bounds": nobody("agency_id data_class least_days most_days"),
    "retention_rules": nobody("agency_id scope_id client_id cdr_days recording_days caller_days visit_days caller_becomes updated_at"),
    "retired_months": nobody("parent month part row_count begun_at retired_at"),
    "rotations": nobody("agency_id flow_id step turn"),
    "rule_changes": nobody("scope_id agency_id changed_xid"),
    "site_directory": nobody("token agency_id client_id site_id"),
    "brands": tenants("name mail_from domain logo", other="agency_id colour accent language updated_at version"),
    "brand_domains": tenants("domain", other="agency_id"),
    "roles": tenants("name", other="agency_id id permissions created_at updated_at version"),
    # Whoever signs in is an agency's or client's own person.
    "users": tenants("email name", other="agency_id id client_id role role_id state language password_hash totp_sealed totp_confirmed_at totp_last_step recovery_hashes last_sign_in_at created_at updated_at version"),
    "user_links": nobody("agency_id id client_id user_id kind secret_hash created_at expires_at used_at"),
    "schedules": tenants("name hours", other="agency_id id client_id created_at updated_at version"),
    "sessions": tenants("address browser", other="agency_id id client_id user_id secret_hash created_at last_seen_at expires_at"),
    "sign_in_directory": tenants("email", other="agency_id user_id"),
    "sign_in_tries": nobody("key tries since"),
    "sites": tenants("name domains settings rules_draft rules_live", other="agency_id id client_id token rules_version status created_at updated_at version"),
    "source_rules": tenants("rules", other="agency_id client_id updated_at version"),
    "subject_calls": nobody("agency_id request_id call_id call_started_at client_id"),
    "subject_requests": people("phone person_key hint", by="requests", other="agency_id id client_id scope_id kind state phase counts waits requested_by requested_at before_at listed_xid claimed_until attempts fault object_id receipt_id finished_at"),
    "targets": tenants("name address", other="agency_id id client_id ring_timeout_s created_at updated_at version"),
    "tel_clicks": nobody("agency_id id client_id visit_id visit_started_at number_id clicked_at"),
    "trunks": tenants("name host username sealed_password", other="agency_id id port authentication dial_prefix number_form priority max_calls max_calls_per_s currency costs enabled created_at updated_at version"),
    "welcome_callers": people("caller_key", by="habits", other="agency_id call_id said_at"),
}  # fmt: skip

#: Tables of the SQLite files beside a node (docs/architecture.md): file and table, as above.
NODE_HOLDINGS: Mapping[str, Held] = {
    "journal.db/started": people("dialled caller caller_name ended_event", by="spool", other="call_id core_uuid started_us recorded_at_us"),
    "journal.db/core": nobody("id core_uuid seen_at_us state"),
    "routes.db/routes": tenants("body", other="e164 digest"),
    "routes.db/synced": nobody("id at_s"),
}  # fmt: skip


def faults(found: Mapping[str, frozenset[str]], declared: Mapping[str, Held]) -> list[str]:
    """What the catalogue has and nobody has declared, or the other way round; each says how to mend it."""
    told = []
    for table in sorted(set(found) | set(declared)):
        columns = found.get(table)
        held = declared.get(table)
        if held is None:
            told.append(f"table {table} ({' '.join(sorted(columns or ()))}): nobody has said what it holds of people")
        elif columns is None:
            told.append(f"table {table} is declared, but there is none")
        elif twice := held.personal & held.other:
            told.append(f"table {table}: {' '.join(sorted(twice))} is declared personal and not personal")
        else:
            new, gone = sorted(columns - held.columns), sorted(held.columns - columns)
            told += [f"column {table}.{name}: nobody has said whether it is personal" for name in new]
            told += [f"column {table}.{name} is declared, but there is none" for name in gone]
    return told


#: What the test says when there are faults.
MEND = (
    "Mend it in platform/privacy/holdings.py, one entry a table: nobody(columns) where no column tells who a caller or "
    "visitor is; people(personal columns, by=eraser, other=columns) where one may (a number, a name, digits pressed, a "
    'hash of these, free text): by="mentions" where taking the number out of its texts is enough, by="rows" where the '
    "row goes, else the name of a Holder (platform/subjects.py) that is registered in services.py; tenants(...) for what a tenant has written down itself. "
    "Ids are not personal. Store ids instead of personal values where you can (DESIGN, Data)."
)
