"""What the API refuses, said to people. Pure."""

from __future__ import annotations

from .errors import Fault, Refused
from .texts import N_, Speech

_PROBLEMS = {
    "credential_missing": N_("Sign in first."),
    "session_over": N_("You were signed out. Sign in again."),
    "sign_in_refused": N_("E-mail address, password or code is wrong."),
    "code_required": N_("Enter the code of your authenticator app, or one of your recovery codes."),
    "role_insufficient": N_("This is for others: your access does not reach so far."),
    "permission_missing": N_("You may not do this. Whoever gave you access can change that."),
    "second_factor_required": N_("Your agency wants a second factor of everybody. Set it up before anything else."),
    "listening_not_allowed": N_("You may see calls, but not hear them."),
    "not_found": N_("There is no such thing, or you may not see it."),
    "link_invalid": N_("This link is unknown, was used already or is too old. Ask for another."),
    "recording_absent": N_("This call has no recording."),
    "recording_pending": N_("The recording is on its way. Look again in a moment."),
    "number_taken": N_("This number is in use already."),
    "number_released": N_("A released number does not change any more."),
    "number_not_fit": N_("This number cannot be used here."),
    "pool_closed": N_("A closed pool does not change any more."),
    "no_draft": N_("There is no draft: the rules are as they were published last."),
    "too_many_webhooks": N_("There are 50 webhooks already. Remove one that nobody needs."),
    "delivery_under_way": N_("It is being sent at this moment. Look again in a minute."),
    "idempotency_key_in_use": N_("This is being done already. Look in a moment."),
    "idempotency_key_reused": N_("This form was sent before. Load the page anew."),
    "email_taken": N_("There is a user with this e-mail address already."),
    "last_owner": N_("This is the last owner. Make another one first."),
    "domain_taken": N_("This domain is in use already."),
    "factor_missing": N_("Begin a second factor first."),
    "key_over": N_("This key is revoked or over."),
    "version_mismatch": N_("Somebody else changed it meanwhile. Look at what it is now, then change it again."),
    "version_required": N_("Load the page anew, then change it again."),
    "validation_failed": N_("Something is not right yet. See the notes beside the fields."),
    "code_wrong": N_("The code is wrong, too old, or was used already."),
    "too_many_tries": N_("Too many tries. Wait a while."),
    "too_many_requests": N_("Too many requests at once. Wait a minute."),
    "internal_error": N_("Something went wrong here. Try again in a moment."),
    "temporarily_unavailable": N_("This is not available at the moment. Try again in a moment."),
    "passwords_busy": N_("Too many people sign in at once. Try again in a moment."),
    "reference_taken": N_("This reference is in use already."),
    "export_too_large": N_("These are too many rows at once. Narrow the filters."),
    "csrf_failed": N_("This page is too old. Load it anew."),
}  # fmt: skip
_FAULTS = {
    "missing": N_("Fill this in."),
    "required": N_("Fill this in."),
    "unknown_member": N_("This is not known here."),
    "not_a_choice": N_("Choose one of the values that are offered."),
    "too_short": N_("This is too short."),
    "too_long": N_("This is too long."),
    "out_of_range": N_("This is outside of what is allowed."),
    "wrong_type": N_("This is not of the right form."),
    "wrong_form": N_("This is not of the right form."),
    "reference_unknown": N_("What this names is not there."),
    "contradiction": N_("This contradicts something else."),
    "unknown_step": N_("There is no step of this name."),
    "unknown_target": N_("There is no such target of the client's."),
    "unknown_flow": N_("There is no such flow of the client's."),
    "unknown_schedule": N_("There are no such hours of the client's."),
    "unreachable": N_("No step leads here."),
    "endless": N_("It goes round for ever."),
    "not_unique": N_("This is there already."),
    "beyond_own": N_("You cannot give what you have not got."),
}


def problem_text(refused: Refused, speech: Speech) -> str:
    """What is wrong, as a whole. What has no text of its own is said as the API says it."""
    if refused.code in _PROBLEMS:
        return speech.say(_PROBLEMS[refused.code])
    return refused.detail or speech.say("Something went wrong here. Try again in a moment.")


def fault_text(fault: Fault, speech: Speech) -> str:
    """What is wrong with one field, with what the API adds (in English) where that says more."""
    said = speech.say(_FAULTS[fault.code]) if fault.code in _FAULTS else speech.say("This is not right.")
    return f"{said} ({fault.detail})" if fault.detail else said
