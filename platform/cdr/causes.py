"""Hang-up causes: their Q.850 numbers, the SIP status a switch makes of them, and what they mean for us.

Names and numbers are FreeSWITCH's (switch_types.h, reference/contracts/10 §1); causes above 127 changed numbers between
releases, so everything here matches by name. Pure.
"""

from __future__ import annotations

from typing import Final

Q850: Final[dict[str, int]] = {
    "UNALLOCATED_NUMBER": 1, "NO_ROUTE_TRANSIT_NET": 2, "NO_ROUTE_DESTINATION": 3, "CHANNEL_UNACCEPTABLE": 6,
    "CALL_AWARDED_DELIVERED": 7, "NORMAL_CLEARING": 16, "USER_BUSY": 17, "NO_USER_RESPONSE": 18, "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20, "CALL_REJECTED": 21, "NUMBER_CHANGED": 22, "REDIRECTION_TO_NEW_DESTINATION": 23,
    "EXCHANGE_ROUTING_ERROR": 25, "DESTINATION_OUT_OF_ORDER": 27, "INVALID_NUMBER_FORMAT": 28, "FACILITY_REJECTED": 29,
    "RESPONSE_TO_STATUS_ENQUIRY": 30, "NORMAL_UNSPECIFIED": 31, "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38, "NORMAL_TEMPORARY_FAILURE": 41, "SWITCH_CONGESTION": 42, "ACCESS_INFO_DISCARDED": 43,
    "REQUESTED_CHAN_UNAVAIL": 44, "PRE_EMPTED": 45, "FACILITY_NOT_SUBSCRIBED": 50, "OUTGOING_CALL_BARRED": 52,
    "INCOMING_CALL_BARRED": 54, "BEARERCAPABILITY_NOTAUTH": 57, "BEARERCAPABILITY_NOTAVAIL": 58,
    "SERVICE_UNAVAILABLE": 63, "BEARERCAPABILITY_NOTIMPL": 65, "CHAN_NOT_IMPLEMENTED": 66,
    "FACILITY_NOT_IMPLEMENTED": 69, "SERVICE_NOT_IMPLEMENTED": 79, "INVALID_CALL_REFERENCE": 81,
    "INCOMPATIBLE_DESTINATION": 88, "INVALID_MSG_UNSPECIFIED": 95, "MANDATORY_IE_MISSING": 96,
    "MESSAGE_TYPE_NONEXIST": 97, "WRONG_MESSAGE": 98, "IE_NONEXIST": 99, "INVALID_IE_CONTENTS": 100,
    "WRONG_CALL_STATE": 101, "RECOVERY_ON_TIMER_EXPIRE": 102, "MANDATORY_IE_LENGTH_ERROR": 103, "PROTOCOL_ERROR": 111,
    "INTERWORKING": 127,
}  # fmt: skip

#: What ITU-T Q.850 calls these numbers.
Q850_NAMES: Final[dict[int, str]] = {
    1: "unallocated number", 2: "no route to transit network", 3: "no route to destination", 6: "channel unacceptable",
    7: "call awarded and delivered", 16: "normal call clearing", 17: "user busy", 18: "no user responding",
    19: "no answer from user", 20: "subscriber absent", 21: "call rejected", 22: "number changed",
    23: "redirection to new destination", 25: "exchange routing error", 27: "destination out of order",
    28: "invalid number format", 29: "facility rejected", 30: "response to status enquiry", 31: "normal, unspecified",
    34: "no circuit available", 38: "network out of order", 41: "temporary failure",
    42: "switching equipment congestion", 43: "access information discarded", 44: "requested circuit not available",
    45: "pre-empted", 50: "facility not subscribed", 52: "outgoing calls barred", 54: "incoming calls barred",
    57: "bearer capability not authorized", 58: "bearer capability not available",
    63: "service or option not available", 65: "bearer capability not implemented", 66: "channel type not implemented",
    69: "facility not implemented", 79: "service or option not implemented", 81: "invalid call reference",
    88: "incompatible destination", 95: "invalid message, unspecified",
    96: "mandatory information element is missing", 97: "message type non-existent or not implemented",
    98: "message not compatible with call state or message type non-existent",
    99: "information element non-existent or not implemented", 100: "invalid information element contents",
    101: "message not compatible with call state", 102: "recovery on timer expiry",
    103: "parameter non-existent or not implemented, passed on", 111: "protocol error", 127: "interworking",
}  # fmt: skip


def q850_name(number: int | None) -> str | None:
    """The name of a cause in ITU-T Q.850; None for the switch's own causes, which have no number there."""
    return Q850_NAMES.get(number or 0)


#: What FreeSWITCH sends to the caller for a cause (reference/contracts/10 §3); everything else is 480.
SIP_STATUS: Final[dict[str, int]] = {
    "UNALLOCATED_NUMBER": 404, "NO_ROUTE_TRANSIT_NET": 404, "NO_ROUTE_DESTINATION": 404, "USER_BUSY": 486,
    "NO_USER_RESPONSE": 408, "CALL_REJECTED": 603, "NUMBER_CHANGED": 410, "REDIRECTION_TO_NEW_DESTINATION": 410,
    "EXCHANGE_ROUTING_ERROR": 483, "DESTINATION_OUT_OF_ORDER": 502, "INVALID_NUMBER_FORMAT": 484,
    "FACILITY_REJECTED": 501, "FACILITY_NOT_IMPLEMENTED": 501, "SERVICE_NOT_IMPLEMENTED": 501,
    "NORMAL_CIRCUIT_CONGESTION": 503, "NETWORK_OUT_OF_ORDER": 503, "NORMAL_TEMPORARY_FAILURE": 503,
    "SWITCH_CONGESTION": 503, "REQUESTED_CHAN_UNAVAIL": 503, "BEARERCAPABILITY_NOTAVAIL": 503, "GATEWAY_DOWN": 503,
    "OUTGOING_CALL_BARRED": 403, "INCOMING_CALL_BARRED": 403, "BEARERCAPABILITY_NOTAUTH": 403,
    "BEARERCAPABILITY_NOTIMPL": 488, "INCOMPATIBLE_DESTINATION": 488, "RECOVERY_ON_TIMER_EXPIRE": 504,
    "ORIGINATOR_CANCEL": 487, "BUSY_EVERYWHERE": 600, "DECLINE": 603, "REJECT_ALL": 603,
}  # fmt: skip

_BY_OUTCOME: Final[dict[str, str]] = {
    "busy": "USER_BUSY BUSY_EVERYWHERE",
    # NORMAL_CLEARING without a connection: a flow that only announces and ends; nobody answered.
    "no_answer": "NO_ANSWER NO_USER_RESPONSE ALLOTTED_TIMEOUT NO_PICKUP NORMAL_CLEARING LOSE_RACE",
    "rejected": "CALL_REJECTED DECLINE REJECT_ALL UNWANTED",
    "caller_cancelled": "ORIGINATOR_CANCEL",
    "unallocated": "UNALLOCATED_NUMBER NUMBER_CHANGED INVALID_NUMBER_FORMAT DOES_NOT_EXIST_ANYWHERE",
    "unreachable": (
        "NO_ROUTE_DESTINATION NO_ROUTE_TRANSIT_NET DESTINATION_OUT_OF_ORDER SUBSCRIBER_ABSENT USER_NOT_REGISTERED "
        "INVALID_GATEWAY GATEWAY_DOWN INVALID_URL INVALID_PROFILE PROGRESS_TIMEOUT RECOVERY_ON_TIMER_EXPIRE "
        "INCOMPATIBLE_DESTINATION NOT_ACCEPTABLE CHAN_NOT_IMPLEMENTED REDIRECTION_TO_NEW_DESTINATION"
    ),
    "congestion": "NORMAL_CIRCUIT_CONGESTION SWITCH_CONGESTION REQUESTED_CHAN_UNAVAIL BEARERCAPABILITY_NOTAVAIL",
    "network_failure": (
        "NETWORK_OUT_OF_ORDER NORMAL_TEMPORARY_FAILURE SERVICE_UNAVAILABLE EXCHANGE_ROUTING_ERROR MEDIA_TIMEOUT "
        "INTERWORKING PROTOCOL_ERROR SRTP_READ_ERROR NORMAL_UNSPECIFIED SERVICE_NOT_IMPLEMENTED "
        "FACILITY_NOT_IMPLEMENTED FACILITY_REJECTED WRONG_CALL_STATE CHANNEL_UNACCEPTABLE RESPONSE_TO_STATUS_ENQUIRY "
        "ACCESS_INFO_DISCARDED PRE_EMPTED BEARERCAPABILITY_NOTIMPL INVALID_CALL_REFERENCE INVALID_MSG_UNSPECIFIED "
        "MANDATORY_IE_MISSING MESSAGE_TYPE_NONEXIST WRONG_MESSAGE IE_NONEXIST INVALID_IE_CONTENTS "
        "MANDATORY_IE_LENGTH_ERROR"
    ),
    "blocked": (
        "OUTGOING_CALL_BARRED INCOMING_CALL_BARRED BEARERCAPABILITY_NOTAUTH FACILITY_NOT_SUBSCRIBED NO_IDENTITY "
        "BAD_IDENTITY_INFO UNSUPPORTED_CERTIFICATE INVALID_IDENTITY STALE_DATE"
    ),
}

OUTCOME: Final[dict[str, str]] = {cause: outcome for outcome, causes in _BY_OUTCOME.items() for cause in causes.split()}


def outcome_of(cause: str | None) -> str:
    """What a cause says about an attempt that was never connected; a cause that we do not know is ``system_error``."""
    return OUTCOME.get(cause or "", "system_error")


def sip_status_of(cause: str | None) -> int | None:
    """The status that FreeSWITCH sent to a caller whom it refused with ``cause``."""
    return SIP_STATUS.get(cause, 480) if cause else None
