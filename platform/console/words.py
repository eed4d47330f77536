"""Words of the platform (docs/glossary.md) as people read them, in one place: the same word everywhere."""

from __future__ import annotations

from .texts import N_, Speech

WORDS: dict[str, dict[str, str]] = {
    "outcome": {
        "answered": N_("answered"), "no_answer": N_("no answer"), "busy": N_("busy"), "rejected": N_("rejected"),
        "caller_cancelled": N_("caller hung up"), "unallocated": N_("no such number"), "unreachable": N_("unreachable"),
        "congestion": N_("lines full"), "network_failure": N_("network failure"), "blocked": N_("blocked"),
        "voicemail": N_("voicemail"), "system_error": N_("system error"), "node_lost": N_("node lost"),
    },
    "state": {
        "started": N_("began"), "ringing": N_("ringing"), "queued": N_("waiting"), "held": N_("on hold"),
        "answered": N_("talking"),
    },
    "method": {
        "manual": N_("set by hand"), "promo_code": N_("promo code"), "visit": N_("visit of the site"),
        "number": N_("number of a source"), "self_reported": N_("the caller said"), "unknown": N_("not known"),
    },
    "channel": {
        "paid_search": N_("paid search"), "organic_search": N_("organic search"), "social": N_("social networks"),
        "paid_social": N_("paid social networks"), "referral": N_("other sites"), "direct": N_("direct"),
        "email": N_("e-mail"), "display": N_("display"), "messenger": N_("messengers"), "maps": N_("maps"),
        "marketplace": N_("marketplaces"), "assistant": N_("assistants"), "offline": N_("offline"),
        "video": N_("video"), "paid": N_("other paid"),
    },
    "side": {
        "caller": N_("the caller"), "target": N_("the target"), "platform": N_("the platform"),
        "unknown": N_("not known"),
    },
    "status": {
        "active": N_("active"), "suspended": N_("suspended"), "released": N_("released"), "closed": N_("closed"),
        "paused": N_("paused"), "disabled": N_("switched off"), "invited": N_("invited"), "free": N_("free"),
        "soaking": N_("soaking"), "in_pool": N_("in a pool"), "static": N_("of one source"), "resting": N_("resting"),
        "quarantined": N_("in quarantine"), "waiting": N_("waiting"), "blocked": N_("waits for another"),
        "sending": N_("on its way"), "delivered": N_("delivered"), "failed": N_("failed"), "running": N_("running"),
        "done": N_("done"), "open": N_("open"), "good": N_("good"), "overdue": N_("overdue"), "stopped": N_("stopped"),
        "erased": N_("erased"), "finished": N_("finished"), "sweeping": N_("being carried out"),
    },
    "kind": {
        "static": N_("static"), "dynamic": N_("dynamic"), "export": N_("copy of everything"), "erase": N_("erasure"),
        "key": N_("key"), "user": N_("user"), "platform": N_("platform"), "link": N_("link"), "client": N_("client"),
        "agency": N_("agency"), "operator": N_("operator"), "calls": N_("calls"), "month": N_("month"),
        "payment": N_("payment"), "credit": N_("credit"), "correction": N_("correction"),
        "prepaid": N_("prepaid"), "postpaid": N_("postpaid"),
    },
    "role": {
        "owner": N_("owner"), "manager": N_("manager"), "analyst": N_("analyst"), "listener": N_("listener"),
        "read_only": N_("looks only"),
    },
    "metric": {
        "calls": N_("Calls"), "unique_callers": N_("Unique callers"), "first_time_calls": N_("First-time calls"),
        "repeat_calls": N_("Repeat calls"), "answered": N_("Answered"), "missed": N_("Missed"),
        "blocked": N_("Blocked"), "answer_share": N_("Answered, share"), "time_to_answer": N_("Time to answer"),
        "slow_answers": N_("Slow answers"), "talk_time": N_("Talk time"), "mean_talk_time": N_("Talk time of a call"),
        "target_calls": N_("Target calls"), "target_share": N_("Target calls, share"), "leads": N_("Leads"),
        "sales": N_("Sales"), "revenue": N_("Revenue"), "average_order": N_("Average order"),
        "spam_calls": N_("Spam calls"), "spam_share": N_("Spam, share"),
        "confident_calls": N_("Calls of a certain source"),
        "confident_share": N_("Calls of a certain source, share"), "visits": N_("Visits"),
        "call_conversion": N_("Visits that called"), "sale_conversion": N_("Calls that sold"),
        "impressions": N_("Impressions"), "clicks": N_("Clicks"), "click_rate": N_("Click rate (CTR)"),
        "cost": N_("Spend"), "cost_per_click": N_("Cost per click (CPC)"), "cost_per_call": N_("Cost per call (CPL)"),
        "cost_per_target_call": N_("Cost per target call"), "cost_per_lead": N_("Cost per lead"),
        "cost_per_sale": N_("Cost per sale (CPA)"), "roi": N_("ROI"), "roas": N_("ROAS"),
    },
    "dimension": {
        "client": N_("Client"), "date": N_("Day"), "week": N_("Week from"), "month": N_("Month"),
        "weekday": N_("Weekday"), "hour": N_("Hour"), "channel": N_("Channel"), "source": N_("Source"),
        "medium": N_("Medium"), "campaign": N_("Campaign"), "content": N_("Advertisement"),
        "keyword": N_("Keyword"), "site": N_("Site"), "landing_page": N_("Landing page"),
        "visit_region": N_("Visitor's region"), "device": N_("Device"), "number": N_("Number"), "flow": N_("Flow"),
        "target": N_("Target"), "outcome": N_("Outcome"), "repeat": N_("New or repeat"), "node": N_("Node"),
    },
    "ledger": {
        "due": N_("waits for its time"), "blocked": N_("waits for another"), "sending": N_("on its way"),
        "sent": N_("sent, not answered yet"), "done": N_("done"), "given_up": N_("given up"),
    },
    "integration": {"active": N_("active"), "paused": N_("paused"), "broken": N_("refused by the other side")},
    "model": {
        "first": N_("first visit"), "last": N_("last visit"), "last_non_direct": N_("last visit that was not direct"),
        "linear": N_("all visits alike"), "time_decay": N_("later visits more"),
        "position": N_("first and last visit more"), "w_shaped": N_("first, middle and last visit more"),
        "data_driven": N_("as the data say"),
    },
    "device": {
        "desktop": N_("desktop"), "mobile": N_("telephone"), "tablet": N_("tablet"), "bot": N_("robot"),
        "other": N_("other"),
    },
    "consent": {"given": N_("given"), "refused": N_("refused"), "not_asked": N_("not asked")},
    "side_of": {"client": N_("the client, to the agency"), "agency": N_("the agency, to the operator")},
    "meter": {
        "minute": N_("minutes"), "number_month": N_("numbers, by the month"),
        "recording_gb_month": N_("recordings, gigabytes by the month"), "seat_month": N_("users, by the month"),
        "webhook_delivery": N_("deliveries to webhooks"), "transcription_minute": N_("minutes that were transcribed"),
        "spam_check": N_("spam checks"), "monthly_minimum": N_("monthly minimum"),
    },
    "direction": {"inbound": N_("to the number"), "outbound": N_("on to a telephone")},
    "repeat": {"first_time": N_("first-time"), "repeat": N_("repeat")},
    "section": {
        "total": N_("At a glance"), "channels": N_("Channels"), "hours": N_("Hours"),
        "handling": N_("Handling by target"), "days": N_("Days"), "weekday_hours": N_("Weekdays and hours"),
        "channel_quality": N_("Quality of channels"), "conversion": N_("From impression to sale"),
        "campaigns": N_("Campaigns"), "trend": N_("Months"),
    },
    "absence": {
        "not_answered": N_("nothing was said"), "rule_off": N_("the flow says not to record"),
        "consent_refused": N_("the caller refused"), "node_lost": N_("lost with its node"),
        "disk_full": N_("the disk was full"), "no_audio": N_("a file without sound"), "missing": N_("no file came"),
        "erased": N_("erased"), "expired": N_("kept as long as the rules say, and removed"),
    },
}  # fmt: skip


def word(kind: str, value: object, speech: Speech) -> str:
    """A word of the platform in the reader's language; one that is not known here as it is."""
    if value is None or value == "":
        return "–"
    told = WORDS[kind].get(str(value))
    return speech.say(told) if told is not None else str(value).replace("_", " ")
