"""One SIP dialog and its audio: the caller's side (:class:`CallerLeg`) or a dialled one (:class:`CalleeLeg`).

Turns sippy's call-control events into the few calls of :class:`LegListener`, and the channel's wishes into SIP.
Knows nothing of dialplans, events or CDRs. Pitfalls cited are those of the reference ``node.md`` section 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sippy.CCEvents import (
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventInfo,
    CCEventPreConnect,
    CCEventRedirect,
    CCEventRing,
    CCEventTry,
    CCEventUpdate,
)
from sippy.MsgBody import MsgBody
from sippy.SipAddress import SipAddress
from sippy.SipContact import SipContact
from sippy.SipHeader import SipHeader
from sippy.SipReason import SipReason
from sippy.SipURL import SipURL
from sippy.UA import UA

from . import sdp
from .audio import PCMU, Codec
from .causes import cause_from_sip, phrase
from .errors import NodeError
from .faults import Faults
from .rtp import PortPool, RtpLeg
from .sipmessage import Headers, cause_of, read_headers, reason_of
from .sipstack import SipStack

GODEAD_S = 5.0
_SIGNAL = re.compile(r"^\s*Signal\s*=\s*([0-9A-D*#])", re.MULTILINE)
_PLAIN_DIGIT = re.compile(r"^\s*([0-9A-D*#])\s*$")
OWNER = "FreeSWITCH"
_CHALLENGES = (401, 407)
_UNDERSTOOD = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "INFO", "OPTIONS"})


class LegListener(Protocol):
    """What a channel hears from its leg. None of these may wait."""

    def leg_ringing(self, status: int, *, media: bool) -> None: ...

    def leg_response(self, response: Any) -> None: ...

    def leg_answered(self) -> None: ...

    def leg_digit(self, digit: str, samples: int) -> None: ...

    def leg_held(self, *, held: bool) -> None: ...

    def leg_ended(self, ending: Ending) -> None: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How the peer ended the dialog: ``recv_bye``, ``recv_cancel`` or ``recv_refuse``, with what it said."""

    disposition: str
    cause: str
    status: int = 0
    phrase: str = ""
    reason: str = ""


@dataclass(slots=True)
class Services:
    """What every leg needs."""

    stack: SipStack
    ports: PortPool
    faults: Faults
    host: str
    sip_port: int


class _Agent(UA):
    """Sippy's user agent, letting its leg see each response as it was sent."""

    on_response: Callable[[Any], None]

    def recvRequest(self, req: Any, sip_t: Any) -> Any:
        """Within a dialog nothing but what this node understands: sippy takes a REFER for a hang-up, and leaves what it
        does not know without an answer. A real node allows no REFER either (disable-transfer).
        """
        method = req.getMethod()
        if self.state is not None and method not in _UNDERSTOOD:
            refusal = (405, "Method Not Allowed") if method == "REFER" else (501, "Not Implemented")
            return (req.genResponse(*refusal), None, None)
        return super().recvRequest(req, sip_t)

    def recvResponse(self, resp: Any, tr: Any) -> None:
        if resp.getHFBody("cseq").getCSeq()[1] == "INVITE":
            self.on_response(resp)
        super().recvResponse(resp, tr)


class Leg:
    """What both sides share."""

    def __init__(self, services: Services, codec: Codec) -> None:
        self._services = services
        self.listener: LegListener | None = None
        self.rtp = RtpLeg(services.ports, codec)
        self.rtp.on_digit = services.faults.guarded("RFC 2833 digit", self._digit)
        self.headers = Headers()
        self.remote_sdp = ""
        self.local_sdp = ""
        self.ended = False
        self.answered = False
        self.held = False
        self._session = int.from_bytes(self.rtp.ssrc.to_bytes(4, "big"), "big")
        self.ua: Any = None

    def _contact(self) -> Any:
        """Without this sippy's contact is an unquoted "Anonymous", and its ACK cannot be parsed (5.1)."""
        url = SipURL(host=self._services.host, port=self._services.sip_port)
        return SipContact(address=SipAddress(url=url, hadbrace=True))

    def _new_ua(self, **options: Any) -> Any:
        callback = self._services.faults.guarded("SIP event", self._event)
        ua = _Agent(self._services.stack.config, event_cb=callback, **options)
        ua.on_response = self._services.faults.guarded("SIP response", self._response)
        ua.lContact = self._contact()
        ua.godead_timeout = GODEAD_S
        ua.useRefer = False
        return ua

    def _describe(self, codecs: tuple[Codec, ...], event_type: int | None) -> Any:
        self.local_sdp = sdp.write(self._services.host, self.rtp.port, codecs, event_type, self._session, OWNER)
        return MsgBody(self.local_sdp)

    def _take_media(self, body: Any) -> bool:
        """Use a peer's description; False when it cannot be used."""
        if body is None:
            return False
        try:
            media = sdp.read(str(body))
            self.rtp.codec = media.codec(self.rtp.codec)
        except NodeError:
            return False
        self.remote_sdp = str(body)
        self.rtp.event_type = media.event_type
        self.rtp.aim(media.host, media.port)
        return True

    def _digit(self, digit: str, samples: int) -> None:
        if self.listener is not None:
            self.listener.leg_digit(digit, samples)

    def _info(self, body: Any) -> None:
        text = "" if body is None else str(body)
        found = _SIGNAL.search(text) or _PLAIN_DIGIT.match(text)
        if found:
            self._digit(found[1], 1600)

    def _end(self, ending: Ending) -> None:
        if self.ended:
            return
        self.ended = True
        if self.listener is not None:
            self.listener.leg_ended(ending)

    def _update(self, event: Any) -> None:
        """A re-INVITE is answered with the same description; a new address for audio is followed. Who sends only, or
        nothing, has put the other side on hold."""
        body = event.getData()
        self._take_media(body)
        held = sdp.is_hold(str(body)) if body is not None else self.held
        if held != self.held:
            self.held = held
            if self.listener is not None:
                self.listener.leg_held(held=held)
        answer = self.local_sdp.replace("a=sendrecv", "a=recvonly") if held else self.local_sdp
        self.ua.recvEvent(CCEventConnect((200, "OK", MsgBody(answer))))

    def _response(self, response: Any) -> None:
        """A response to our INVITE, before sippy turns it into an event."""

    def _event(self, event: Any, ua: Any) -> None:
        raise NotImplementedError

    def hang_up(self, cause: str, status: int, reason: str) -> str:
        """End the dialog from our side; returns FreeSWITCH's word for how (empty if the peer was first)."""
        raise NotImplementedError

    def close(self) -> None:
        self.rtp.close()

    def _say(self, event: Any, reason: str) -> None:
        """Hand sippy an ending that carries a Reason header."""
        protocol, _, rest = reason.partition(";cause=")
        number, _, text = rest.partition(";text=")
        event.reason_rfc3326 = SipReason(protocol=protocol, cause=int(number), reason=text.strip('"'))
        self.ua.recvEvent(event)


class CallerLeg(Leg):
    """The side that called us. Raises :class:`NodeError` when its offer cannot be met."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, PCMU)
        self.late_offer = False
        self._provisional = 0
        self._event_type: int | None = sdp.DEFAULT_EVENT_TYPE

    def receive(self, request: Any, transaction: Any) -> Any:
        """Take the INVITE; returns what sippy's transaction layer wants back."""
        self.headers = read_headers(request)
        self.ua = self._new_ua()
        answer = self.ua.recvRequest(request, transaction)
        self.headers.to_tag = self.ua.lTag
        return answer

    def take_offer(self, body: Any) -> None:
        """Choose the codec from the offer, in the caller's order; raises :class:`NodeError`."""
        if body is None:
            self.late_offer = True
            return
        media = sdp.read(str(body))
        self.rtp.codec = media.codec()
        self.remote_sdp = str(body)
        self._event_type = self.rtp.event_type = media.event_type
        self.rtp.aim(media.host, media.port)

    def _body(self) -> Any:
        """Our side's description; to a call without an offer we offer PCMU alone, since nothing transcodes here."""
        return self._describe((self.rtp.codec,), self._event_type)

    def ring(self) -> None:
        """180, unless early media has begun."""
        if self._provisional < 180:
            self._provisional = 180
            self.ua.recvEvent(CCEventRing((180, "Ringing", None)))

    def progress(self) -> bool:
        """183 with our description; False when it had been sent before or cannot be (no offer to answer)."""
        if self._provisional == 183 or self.late_offer:
            return False
        self._provisional = 183
        self.ua.recvEvent(CCEventRing((183, "Session Progress", self._body())))
        return True

    def answer(self) -> None:
        self.answered = True
        kind = CCEventPreConnect if self.late_offer else CCEventConnect
        self.ua.recvEvent(kind((200, "OK", self._body())))

    def hang_up(self, cause: str, status: int, reason: str) -> str:
        if self.ended:
            return ""
        self.ended = True
        if self.answered:
            self._say(CCEventDisconnect(), reason)
            return "send_bye"
        # Before the answer only a failure carries a status; a disconnect would send 500 (5.5).
        self._say(CCEventFail((status, phrase(status))), reason)
        return "send_refuse"

    def _event(self, event: Any, ua: Any) -> None:
        if isinstance(event, CCEventDisconnect):
            answered = self.answered
            cause = cause_of(event) or ("NORMAL_CLEARING" if answered else "ORIGINATOR_CANCEL")
            status, word = (200, "recv_bye") if answered else (487, "recv_cancel")
            self._end(Ending(word, cause, status, "OK" if answered else "Request Terminated", reason_of(event)))
        elif isinstance(event, CCEventInfo):
            self._info(event.getData())
        elif isinstance(event, CCEventUpdate):
            self._update(event)
        elif isinstance(event, CCEventConnect) and self.late_offer:
            self._take_late_answer(event.getData()[2])

    def _take_late_answer(self, body: Any) -> None:
        """The ACK to an offer of ours says where the caller listens."""
        self._take_media(body)


class CalleeLeg(Leg):
    """A side that we call."""

    def __init__(self, services: Services, codec: Codec) -> None:
        super().__init__(services, codec)
        self.early = False

    def invite(
        self,
        address: tuple[str, int],
        user: str,
        *,
        caller: str,
        caller_name: str,
        headers: dict[str, str],
        credentials: tuple[str, str] | None = None,
    ) -> None:
        """``credentials``: user name and password with which a 401 or 407 is answered."""
        self.ua = self._new_ua(nh_address=address)
        if credentials is not None:
            self.ua.setAuth(*credentials)
        body = self._describe((self.rtp.codec,), sdp.DEFAULT_EVENT_TYPE)
        event = CCEventTry((None, caller, user, body, None, caller_name or None))
        event.extra_headers = tuple(SipHeader(f"{name}: {value}") for name, value in headers.items())
        self.ua.recvEvent(event)
        self._read_dialog()

    def _read_dialog(self) -> None:
        ua = self.ua
        self.headers.call_id = str(ua.cId)
        self.headers.from_tag = ua.lTag
        self.headers.full_from, self.headers.full_to = str(ua.lUri), str(ua.rUri)
        self.headers.to_tag = ua.rUri.getTag() or ""
        self.headers.cseq = str(ua.lCSeq - 1)

    def hang_up(self, cause: str, status: int, reason: str) -> str:
        if self.ended:
            return ""
        self.ended = True
        self._say(CCEventDisconnect(), reason)
        return "send_bye" if self.answered else "send_cancel"

    def _response(self, response: Any) -> None:
        if self.listener is not None and response.source and 100 < response.getSCode()[0] < 300:
            self.listener.leg_response(response)

    def _event(self, event: Any, ua: Any) -> None:
        if self.ended or self.listener is None:
            return
        if isinstance(event, CCEventRing):
            self._provisional(event)
        elif isinstance(event, CCEventConnect):
            self._connected(event)
        elif isinstance(event, CCEventFail):
            self._refused(event)
        elif isinstance(event, CCEventRedirect):
            # Redirects are not followed: `outbound_redirect_fatal`, the safe choice (reference freeswitch 4.5).
            self._end(Ending("recv_refuse", "REDIRECTION_TO_NEW_DESTINATION", event.getData()[0], event.getData()[1]))
        elif isinstance(event, CCEventDisconnect):
            cause = cause_of(event) or "NORMAL_CLEARING"
            self._end(Ending("recv_bye", cause, 200, "OK", reason_of(event)))
        elif isinstance(event, CCEventInfo):
            self._info(event.getData())
        elif isinstance(event, CCEventUpdate):
            self._update(event)

    def _provisional(self, event: Any) -> None:
        status, _, body = event.getData()
        if status == 100 or self.listener is None:
            return
        self._read_dialog()
        media = body is not None and self._take_media(body)
        self.early = self.early or media
        self.listener.leg_ringing(status, media=media)

    def _connected(self, event: Any) -> None:
        if self.answered or self.listener is None:
            return
        body = event.getData()[2]
        self._read_dialog()
        if not self._take_media(body) and not self.early:
            self.answered = True
            self.hang_up("INCOMPATIBLE_DESTINATION", 488, 'Q.850;cause=88;text="INCOMPATIBLE_DESTINATION"')
            self.listener.leg_ended(Ending("send_bye", "INCOMPATIBLE_DESTINATION"))
            return
        self.answered = True
        self.listener.leg_answered()

    def _refused(self, event: Any) -> None:
        status, text = event.getData()[:2]
        self._read_dialog()
        if status in _CHALLENGES:
            # A password that is not taken: the switch ends the leg itself (sofia_reg.c, …_handle_sip_r_challenge).
            self._end(Ending("", "NORMAL_UNSPECIFIED"))
            return
        cause = cause_of(event) or cause_from_sip(status)
        self._end(Ending("recv_refuse", cause, status, text, reason_of(event)))
