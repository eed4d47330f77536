"""Which calls are kept as captures (tests/data/contract/captures/). Pure."""

#: One of every kind of record and reply; held calls and names would only repeat them.
CAPTURED = (
    "answered", "answered-target-hangs-up", "busy", "rejected", "no-answer", "target-503", "target-404",
    "target-unreachable", "cancelled-ringing", "cancelled-before-the-plan", "failover-busy-answered",
    "failover-no-answer-answered", "busy-then-no-answer", "announced-then-answered", "announced-then-busy",
    "recorded-across-attempts", "announced-only", "unknown-number", "suspended-number", "not-a-number", "name-cyrillic",
    "name-encoded-newlines", "name-quotes", "name-u2028", "menu-digit-resume", "menu-timeout", "whisper",
    "press-one-simultaneous", "press-one-not-pressed", "simultaneous", "early-media-then-busy", "unknown-gateway",
    "recording-through-resume-and-voicemail", "recording-segments", "sched-hangup-survives-resume", "worker-refuses",
    "worker-hangs", "fallback-without-plan", "resume-worker-dies", "flow-queue-paired", "flow-queue-missed",
    "flow-queue-timeout", "lost-in-a-queue", "flow-voicemail", "flow-consent-given", "flow-consent-refused",
    "flow-queue-announcements", "flow-queue-full", "flow-queue-without-database", "flow-queue-without-music",
    "flow-webhook-answered", "flow-webhook-timeout", "flow-webhook-unexpected", "flow-webhook-without-database",
    "flow-code-pressed", "lost-code", "flow-ring-told", "lost-blocked-withheld", "lost-limit-of-none",
    "flow-ring-accept-voicemail", "trunk-failover", "held-by-target",
    "held-by-caller", "moved-by-target", "moved-by-operator", "refer-refused", "silent-target", "lossy-caller",
    "attested-and-diverted",
)  # fmt: skip
#: Event streams are long; these hold every kind of event.
WITH_EVENTS = (
    "answered", "busy", "cancelled-ringing", "menu-digit-resume", "name-encoded-newlines",
    # Calls that somebody else wakes.
    "flow-queue-paired", "flow-queue-missed", "flow-queue-timeout", "flow-webhook-answered", "flow-webhook-timeout",
)  # fmt: skip
