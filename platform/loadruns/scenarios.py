"""SIPp's scenarios, composed: how a caller calls, how a target behaves, and what else is sent. Pure: names in, XML
out.

One scenario for one kind of call, made of pieces that all share, so that what differs is what a profile says. Words
that depend on where it runs stand between two `@`: `@MEDIA_PORT@` and `@MEDIA@` (where media.py listens), `@KIND@`,
`@BASE@` (the second since 1970 at which the run begins).

A caller takes a line of its file: field0 number, field1 caller, field2 ms after @BASE@ when it is to call, field3 ms
that it stays. Its log has a line for media.py when sound begins and one when it ends.
"""

from __future__ import annotations

from .tables import Calls, Target

#: Every final answer that refuses and that SIPp should not stumble over.
REFUSALS = (
    301, 302, 400, 401, 403, 404, 405, 407, 408, 410, 413, 415, 420, 423, 433, 480, 481, 482, 483, 484, 485, 486, 487,
    488, 491, 500, 501, 502, 503, 504, 513, 580, 600, 603, 604, 606, 607, 608,
)  # fmt: skip
#: A call that hears nothing for so long is given up.
DEAF_MS = 90_000

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n<scenario name="{name}">\n'
_SDP = """\
      Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o={who} 1 1 IN IP4 [local_ip]
      s=-
      c=IN IP4 @MEDIA@
      t=0 0
      m=audio @MEDIA_PORT@ RTP/AVP 0 101
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000
      a=fmtp:101 0-15
      a=ptime:20
"""

#: Waits for the planned moment on the machine's own clock; one that is past is now.
_WAIT = """\
  <nop>
    <action>
      <assignstr assign_to="planned_text" value="[field2]"/>
      <todouble assign_to="wait_ms" variable="planned_text"/>
      <assignstr assign_to="hold_text" value="[field3]"/>
      <todouble assign_to="hold_ms" variable="hold_text"/>
      <gettimeofday assign_to="now_s,now_us"/>
      <subtract assign_to="now_s" value="@BASE@"/>
      <multiply assign_to="now_s" value="1000"/>
      <divide assign_to="now_us" value="1000"/>
      <subtract assign_to="wait_ms" variable="now_s"/>
      <subtract assign_to="wait_ms" variable="now_us"/>
      <test assign_to="late" variable="wait_ms" compare="less_than" value="1"/>
    </action>
  </nop>
  <nop test="late" next="10"/>
  <pause variable="wait_ms"/>
  <label id="10"/>
"""
#: The branches are our own: what belongs to the INVITE's transaction bears the INVITE's, wherever it stands.
_HEADERS = """\
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]x[call_number]x{branch}
      From: "[field1]" <sip:[field1]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
      To: <sip:[field0]@[remote_ip]:[remote_port]>{to_tag}
      Call-ID: [call_id]
      CSeq: {cseq}
      Contact: <sip:[field1]@[local_ip]:[local_port]>
      Max-Forwards: 70
"""
_TO_NUMBER = "sip:[field0]@[remote_ip]:[remote_port]"


def _sent(text: str, attributes: str = "") -> str:
    return f"  <send{attributes}>\n    <![CDATA[\n{text}    ]]>\n  </send>\n"


def _request(
    method: str, uri: str, *, number: int, branch: int, attributes: str = "", more: str = "", tag: bool
) -> str:
    """A request of a caller's."""
    to_tag = "[peer_tag_param]" if tag else ""
    headers = _HEADERS.format(branch=branch, to_tag=to_tag, cseq=f"{number} {method}")
    routes = "      [routes]\n" if uri == "[next_url]" else ""
    body = more or "      Content-Length: 0\n"
    return _sent(f"      {method} {uri} SIP/2.0\n{routes}{headers}{body}", attributes)


def _answer(status: str, *, more: str = "      Content-Length: 0\n", tag: bool = True, again: bool = False) -> str:
    """An answer of a target's to what came last."""
    own_tag = ";tag=[pid]t[call_number]" if tag else ""
    headers = (
        f"      SIP/2.0 {status}\n      [last_Via:]\n      [last_From:]\n      [last_To:]{own_tag}\n"
        "      [last_Call-ID:]\n      [last_CSeq:]\n      Contact: <sip:target@[local_ip]:[local_port]>\n"
    )
    return _sent(headers + more, ' retrans="500"' if again else "")


_OK = _answer("200 OK", tag=False)
#: Where the other side wants its sound, from the body that has just come.
_REMOTE = """\
      <ereg regexp="IN IP4 ([0-9.]+)" search_in="body" assign_to="line,media_ip"/>
      <ereg regexp="m=audio ([0-9]+)" search_in="body" assign_to="line,media_port"/>
"""
_STOP = '  <nop><action><log message="stop @KIND@-[call_number]"/></action></nop>\n'
_REFERENCE = '  <Reference variables="line,hold_ms"/>\n'


def _start(*, speaks: bool, digits: str = "") -> str:
    told = f"start @KIND@-[call_number] [$media_ip] [$media_port] {int(speaks)} {digits}".rstrip()
    return f'      <log message="{told}"/>\n'


def _action(text: str) -> str:
    return f"    <action>\n{text}    </action>\n"


def _refusals(label: str) -> str:
    return "".join(f'  <recv response="{code}" optional="true" next="{label}"/>\n' for code in REFUSALS)


def _bye() -> str:
    return _request("BYE", "[next_url]", number=2, branch=3, attributes=' retrans="500"', tag=True) + (
        '  <recv response="200"/>\n'
    )


def caller(kind: Calls, *, speaks: bool) -> str:
    """The scenario of a kind of caller. Whatever the answer, the call comes to its proper end; what came of it is read
    from the log of messages, and SIPp counts it by its own counters."""
    rings = ' next="20"' if kind.caller == "gives_up" else ""
    sdp = _SDP.format(who="caller")
    answered = _action(_REMOTE + _start(speaks=speaks, digits=kind.dtmf))
    parts = [
        _HEAD.format(name=f"caller {kind.caller}"),
        _WAIT,
        _request(
            "INVITE", _TO_NUMBER, number=1, branch=1, tag=False, more=sdp,
            attributes=' retrans="500" start_rtd="1" counter="invited"',
        ),
        '  <recv response="100" optional="true"/>\n',
        f'  <recv response="180" optional="true"{rings}/>\n  <recv response="183" optional="true"{rings}/>\n',
        _refusals("90"),
        f'  <recv response="200" rrs="true" rtd="1" counter="answered" timeout="{DEAF_MS}" ontimeout="99">\n'
        f"{answered}  </recv>\n",
        _request("ACK", "[next_url]", number=1, branch=2, tag=True),
        _waits() if kind.caller == "waits" else '  <pause variable="hold_ms"/>\n' + _bye(),
        _STOP,
        '  <nop next="99"/>\n',
        _gives_up() if kind.caller == "gives_up" else "",
        '  <label id="90"/>\n',
        '  <nop counter="refused"/>\n',
        _request("ACK", _TO_NUMBER, number=1, branch=1, tag=True),
        '  <label id="99"/>\n',
        "  <nop/>\n",
        _REFERENCE,
        "</scenario>\n",
    ]  # fmt: skip
    return "".join(parts)


def _waits() -> str:
    """For the other side's BYE; after two minutes it hangs up itself."""
    return f'  <recv request="BYE" timeout="120000" ontimeout="25"/>\n{_OK}  <nop next="40"/>\n' + (
        f'  <label id="25"/>\n{_bye()}  <label id="40"/>\n'
    )


def _gives_up() -> str:
    """While it rings."""
    cancel = _request("CANCEL", _TO_NUMBER, number=1, branch=1, attributes=' retrans="500"', tag=False)
    return (
        f'  <label id="20"/>\n  <pause variable="hold_ms"/>\n{cancel}  <recv response="200"/>\n'
        + _refusals("90")
        + f'  <recv response="487" timeout="{DEAF_MS}" ontimeout="99" next="90"/>\n'
    )


_INVITED = f"""\
  <recv request="INVITE" crlf="true" rrs="true">
    <action>
      <ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" check_it="true" assign_to="cseq"/>
      <ereg regexp="&lt;sip:[^&gt;]*&gt;" search_in="hdr" header="To:" check_it="true" assign_to="local"/>
      <ereg regexp="&lt;sip:[^&gt;]*&gt;;tag=[^;]*" search_in="hdr" header="From:" check_it="true" assign_to="remote"/>
{_REMOTE}    </action>
  </recv>
"""
#: Sent again because its 200 was not read in time: SIPp would end the call over it.
_AGAIN = '  <recv request="INVITE" optional="true"/>\n' * 3


def target(one: Target, *, speaks: bool) -> str:
    """The scenario of a target by its behaviour."""
    body = {
        "answers": _answers,
        "silent": _answers,
        "early_media": _answers,
        "hangs_up": _answers,
        "busy": _refuses,
        "rejects": _refuses,
        "no_answer": _rings,
        "dead": _is_dead,
    }[one.behaviour](one, speaks)
    reference = '  <Reference variables="line,cseq,local,remote,media_ip,media_port"/>\n'
    return _HEAD.format(name=f"target {one.behaviour}") + _INVITED + body + reference + "</scenario>\n"


def _answers(one: Target, speaks: bool) -> str:
    sdp, ring = _SDP.format(who="target"), f'  <pause milliseconds="{round(one.ring_s * 1000)}"/>\n'
    start = _action(_start(speaks=speaks and one.behaviour != "silent"))
    early = one.behaviour == "early_media"
    rings = (
        _answer("183 Session Progress", more=sdp) + f"  <nop>\n{start}  </nop>\n" if early else _answer("180 Ringing")
    )
    begins = "" if early else f"  <nop>\n{start}  </nop>\n"
    answered = f'{_answer("200 OK", more=sdp, again=True)}{_AGAIN}  <recv request="ACK" crlf="true"/>\n{begins}'
    if one.behaviour == "hangs_up":
        return rings + ring + answered + _hangs_up(one)
    return f'{rings}{ring}{answered}  <recv request="BYE"/>\n{_STOP}{_OK}  <timewait milliseconds="2000"/>\n'


def _hangs_up(one: Target) -> str:
    bye = (
        "      BYE [next_url] SIP/2.0\n      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "      [routes]\n      From: [$local];tag=[pid]t[call_number]\n      To: [$remote]\n"
        "      Call-ID: [call_id]\n      CSeq: 1 BYE\n      Max-Forwards: 70\n      Content-Length: 0\n"
    )
    pause = f'  <pause milliseconds="{round(one.after_s * 1000)}"/>\n'
    # SIPp takes nothing in while it is at a nop, so what is said of the end comes after its answer.
    return pause + _sent(bye, ' retrans="500"') + '  <recv response="200"/>\n' + _STOP


def _refuses(one: Target, _speaks: bool) -> str:
    status = "486 Busy Here" if one.behaviour == "busy" else f"{one.status} Refused"
    ring = f'{_answer("180 Ringing")}  <pause milliseconds="{round(one.ring_s * 1000)}"/>\n' if one.ring_s else ""
    return f'{ring}{_answer(status, again=True)}{_AGAIN}  <recv request="ACK"/>\n  <timewait milliseconds="2000"/>\n'


def _rings(_one: Target, _speaks: bool) -> str:
    ended = _answer("487 Request Terminated", again=True).replace("[last_CSeq:]", "CSeq: [$cseq] INVITE")
    return (
        f'{_answer("180 Ringing")}{_AGAIN}  <recv request="CANCEL"/>\n{_answer("200 OK", tag=False)}{ended}{_AGAIN}'
        '  <recv request="ACK"/>\n  <timewait milliseconds="2000"/>\n'
    )


def _is_dead(_one: Target, _speaks: bool) -> str:
    """It takes the INVITE and never says a word."""
    return '  <timewait milliseconds="40000"/>\n'


def flood(kind: str) -> str:
    """The scenario of traffic that is no call: `options` or `register`. Any answer will do."""
    method = {"options": "OPTIONS", "register": "REGISTER"}[kind]
    to = "sip:[remote_ip]:[remote_port]"
    more = "      Expires: 3600\n      Content-Length: 0\n" if kind == "register" else ""
    attributes = ' retrans="500" start_rtd="1" counter="asked"'
    return "".join(
        [
            _HEAD.format(name=kind),
            _WAIT,
            _request(method, to, number=1, branch=1, attributes=attributes, more=more, tag=False),
            '  <recv response="100" optional="true"/>\n',
            _refusals("99"),
            '  <recv response="200" rtd="1" timeout="10000" ontimeout="99"/>\n',
            '  <label id="99"/>\n  <nop/>\n  <Reference variables="hold_ms"/>\n</scenario>\n',
        ]
    )
