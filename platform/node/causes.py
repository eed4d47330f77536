"""Hang-up causes: their names and numbers, and how they map to SIP and back. Pure tables.

Numbers and spellings are those of FreeSWITCH's ``switch_types.h``; the two maps follow mod_sofia
(``sofia_glue_sip_cause_to_freeswitch``, ``hangup_cause_to_sip``), see the telecom conventions reference 1 to 3.
"""

NUMBERS: dict[str, int] = {
    "NONE": 0, "UNALLOCATED_NUMBER": 1, "NO_ROUTE_TRANSIT_NET": 2, "NO_ROUTE_DESTINATION": 3,
    "CHANNEL_UNACCEPTABLE": 6, "CALL_AWARDED_DELIVERED": 7, "NORMAL_CLEARING": 16, "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18, "NO_ANSWER": 19, "SUBSCRIBER_ABSENT": 20, "CALL_REJECTED": 21, "NUMBER_CHANGED": 22,
    "REDIRECTION_TO_NEW_DESTINATION": 23, "EXCHANGE_ROUTING_ERROR": 25, "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28, "FACILITY_REJECTED": 29, "RESPONSE_TO_STATUS_ENQUIRY": 30,
    "NORMAL_UNSPECIFIED": 31, "NORMAL_CIRCUIT_CONGESTION": 34, "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41, "SWITCH_CONGESTION": 42, "ACCESS_INFO_DISCARDED": 43,
    "REQUESTED_CHAN_UNAVAIL": 44, "PRE_EMPTED": 45, "FACILITY_NOT_SUBSCRIBED": 50, "OUTGOING_CALL_BARRED": 52,
    "INCOMING_CALL_BARRED": 54, "BEARERCAPABILITY_NOTAUTH": 57, "BEARERCAPABILITY_NOTAVAIL": 58,
    "SERVICE_UNAVAILABLE": 63, "BEARERCAPABILITY_NOTIMPL": 65, "CHAN_NOT_IMPLEMENTED": 66,
    "FACILITY_NOT_IMPLEMENTED": 69, "SERVICE_NOT_IMPLEMENTED": 79, "INVALID_CALL_REFERENCE": 81,
    "INCOMPATIBLE_DESTINATION": 88, "INVALID_MSG_UNSPECIFIED": 95, "MANDATORY_IE_MISSING": 96,
    "MESSAGE_TYPE_NONEXIST": 97, "WRONG_MESSAGE": 98, "IE_NONEXIST": 99, "INVALID_IE_CONTENTS": 100,
    "WRONG_CALL_STATE": 101, "RECOVERY_ON_TIMER_EXPIRE": 102, "MANDATORY_IE_LENGTH_ERROR": 103,
    "PROTOCOL_ERROR": 111, "INTERWORKING": 127, "SUCCESS": 142, "ORIGINATOR_CANCEL": 487, "CRASH": 700,
    "SYSTEM_SHUTDOWN": 701, "LOSE_RACE": 702, "MANAGER_REQUEST": 703, "BLIND_TRANSFER": 800,
    "ATTENDED_TRANSFER": 801, "ALLOTTED_TIMEOUT": 802, "USER_CHALLENGE": 803, "MEDIA_TIMEOUT": 804,
    "PICKED_OFF": 805, "USER_NOT_REGISTERED": 806, "PROGRESS_TIMEOUT": 807, "INVALID_GATEWAY": 808,
    "GATEWAY_DOWN": 809, "INVALID_URL": 810, "INVALID_PROFILE": 811, "NO_PICKUP": 812, "SRTP_READ_ERROR": 813,
    "BOWOUT": 814, "BUSY_EVERYWHERE": 815, "DECLINE": 816, "DOES_NOT_EXIST_ANYWHERE": 817, "NOT_ACCEPTABLE": 818,
    "UNWANTED": 819, "NO_IDENTITY": 820, "BAD_IDENTITY_INFO": 821, "UNSUPPORTED_CERTIFICATE": 822,
    "INVALID_IDENTITY": 823, "STALE_DATE": 824, "REJECT_ALL": 825,
}  # fmt: skip

_NAMES = {number: name for name, number in NUMBERS.items()}

_FROM_SIP: dict[int, str] = {
    200: "NORMAL_CLEARING", 400: "NORMAL_TEMPORARY_FAILURE", 401: "CALL_REJECTED", 402: "CALL_REJECTED",
    403: "CALL_REJECTED", 404: "UNALLOCATED_NUMBER", 405: "SERVICE_UNAVAILABLE", 406: "SERVICE_NOT_IMPLEMENTED",
    407: "CALL_REJECTED", 408: "RECOVERY_ON_TIMER_EXPIRE", 410: "NUMBER_CHANGED", 413: "INTERWORKING",
    414: "INTERWORKING", 415: "SERVICE_NOT_IMPLEMENTED", 416: "INTERWORKING", 420: "INTERWORKING",
    421: "INTERWORKING", 423: "INTERWORKING", 428: "NO_IDENTITY", 429: "BAD_IDENTITY_INFO",
    437: "UNSUPPORTED_CERTIFICATE", 438: "INVALID_IDENTITY", 480: "NO_USER_RESPONSE",
    481: "NORMAL_TEMPORARY_FAILURE", 482: "EXCHANGE_ROUTING_ERROR", 483: "EXCHANGE_ROUTING_ERROR",
    484: "INVALID_NUMBER_FORMAT", 485: "NO_ROUTE_DESTINATION", 486: "USER_BUSY", 487: "ORIGINATOR_CANCEL",
    488: "INCOMPATIBLE_DESTINATION", 500: "NORMAL_TEMPORARY_FAILURE", 501: "SERVICE_NOT_IMPLEMENTED",
    502: "NETWORK_OUT_OF_ORDER", 503: "NORMAL_TEMPORARY_FAILURE", 504: "RECOVERY_ON_TIMER_EXPIRE",
    505: "INTERWORKING", 513: "INTERWORKING", 600: "USER_BUSY", 603: "CALL_REJECTED", 604: "NO_ROUTE_DESTINATION",
    606: "INCOMPATIBLE_DESTINATION", 607: "UNWANTED", 608: "CALL_REJECTED",
}  # fmt: skip

_TO_SIP: dict[str, int] = {
    "UNALLOCATED_NUMBER": 404, "NO_ROUTE_TRANSIT_NET": 404, "NO_ROUTE_DESTINATION": 404, "USER_BUSY": 486,
    "NO_USER_RESPONSE": 408, "CALL_REJECTED": 603, "NUMBER_CHANGED": 410, "REDIRECTION_TO_NEW_DESTINATION": 410,
    "EXCHANGE_ROUTING_ERROR": 483, "DESTINATION_OUT_OF_ORDER": 502, "INVALID_PROFILE": 502,
    "INVALID_NUMBER_FORMAT": 484, "INVALID_URL": 484, "INVALID_GATEWAY": 484, "FACILITY_REJECTED": 501,
    "FACILITY_NOT_IMPLEMENTED": 501, "SERVICE_NOT_IMPLEMENTED": 501, "NORMAL_CIRCUIT_CONGESTION": 503,
    "NETWORK_OUT_OF_ORDER": 503, "NORMAL_TEMPORARY_FAILURE": 503, "SWITCH_CONGESTION": 503,
    "REQUESTED_CHAN_UNAVAIL": 503, "BEARERCAPABILITY_NOTAVAIL": 503, "GATEWAY_DOWN": 503,
    "OUTGOING_CALL_BARRED": 403, "INCOMING_CALL_BARRED": 403, "BEARERCAPABILITY_NOTAUTH": 403, "STALE_DATE": 403,
    "BEARERCAPABILITY_NOTIMPL": 488, "INCOMPATIBLE_DESTINATION": 488, "RECOVERY_ON_TIMER_EXPIRE": 504,
    "ORIGINATOR_CANCEL": 487, "BUSY_EVERYWHERE": 600, "DECLINE": 603, "REJECT_ALL": 603,
    "DOES_NOT_EXIST_ANYWHERE": 604, "NOT_ACCEPTABLE": 606, "UNWANTED": 607, "NO_IDENTITY": 428,
    "BAD_IDENTITY_INFO": 429, "UNSUPPORTED_CERTIFICATE": 437, "INVALID_IDENTITY": 438,
}  # fmt: skip

_PHRASES: dict[int, str] = {
    400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    410: "Gone", 420: "Bad Extension", 428: "Use Identity Header", 429: "Provide Referrer Identity",
    437: "Unsupported Credential", 438: "Invalid Identity Header", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 500: "Server Internal Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted",
}  # fmt: skip

# DIALSTATUS, as switch_ivr_originate.c derives it from the attempt's cause; any other cause stands for itself.
_DIAL_STATUS = {
    "USER_BUSY": "BUSY",
    "NO_ANSWER": "NOANSWER",
    "NO_USER_RESPONSE": "NOANSWER",
    "ORIGINATOR_CANCEL": "CANCEL",
    "CALL_REJECTED": "DONTCALL",
}


def cause_from_sip(status: int) -> str:
    """The cause that a final SIP status stands for."""
    return _FROM_SIP.get(status, "NORMAL_UNSPECIFIED")


def sip_from_cause(cause: str) -> int:
    """The status with which an unanswered call is refused."""
    return _TO_SIP.get(cause, 480)


def phrase(status: int) -> str:
    """The reason phrase of a status."""
    return _PHRASES.get(status, "Temporarily Unavailable")


def q850(cause: str) -> int:
    """The cause's Q.850 number; FreeSWITCH's own causes count as normal clearing, 16 (seen in its CDR files)."""
    number = NUMBERS.get(cause, 16)
    return number if number < 128 else 16


def read_cause(text: str) -> str:
    """The cause meant by a name or a number; normal clearing when it is neither (switch_channel_str2cause)."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return _NAMES.get(int(text), "NORMAL_CLEARING")
    return text.upper() if text.upper() in NUMBERS else "NORMAL_CLEARING"


def reason_header(cause: str) -> str:
    """The value of the SIP header ``Reason`` (RFC 3326) in mod_sofia's form."""
    if cause == "LOSE_RACE":
        return 'SIP;cause=200;text="Call completed elsewhere"'
    number = NUMBERS.get(cause, 16)
    protocol = "Q.850" if 0 < number < 128 else "SIP"
    return f'{protocol};cause={number};text="{cause}"'


def dial_status(cause: str) -> str:
    """``DIALSTATUS`` after an attempt that ended with this cause."""
    return _DIAL_STATUS.get(cause, cause)
