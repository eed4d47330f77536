"""The whitelists, and the builders that use them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtrace.esl import commands, safe
from dialtrace.esl.errors import UnsafeValue
from dialtrace.esl.wire import CommandReader

QUICK = settings(deadline=None, max_examples=60)
CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
BREAKS = ["\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (safe.phone_digits, ["+442079460001", "112"], ["", "+", "12", "1" * 16, "+44 20", "١٢٣", "123\n", "0x1"]),
        (safe.identifier, ["a", "A_b-9", "x" * 64], ["", "x" * 65, "a b", "a\n", "é", "a/b"]),
        (safe.call_uuid, [CALL, CALL.upper()], ["", CALL[:-1], CALL + "\n", CALL.replace("-", ""), "g" + CALL[1:]]),
        (safe.variable_name, ["dialtrace_plan", "sip_h_X-Id"], ["", "a=b", "1a", "a b", "${a}", "a\n"]),
        (safe.server_path, ["/var/lib/a-b_c/1.wav"], ["", "a.wav", "/a/../b", "/..", "/a b", "http://x/", "/a\n", "/"]),
        (safe.program_text, [r"m:~:set:a=b~bridge:[x=1]sofia/y\s2", ""], ["a'b", 'a"b', "$", r"\n", "é", "a\nb", "\\"]),
        (safe.plain_text, ["", "Zoë + Дмитрий %0A", "a b"], [f"a{one}b" for one in BREAKS]),
    ],
)
def test_given_a_whitelist_when_checking_then_only_what_is_on_it_passes(check, good, bad):
    for value in good:
        assert check(value).lower() == value.lower()
    for value in bad:
        with pytest.raises(UnsafeValue):
            check(value)
    with pytest.raises(UnsafeValue):
        check(None)


def test_given_a_long_bad_value_when_refused_then_at_most_forty_characters_are_echoed():
    with pytest.raises(UnsafeValue) as refused:
        safe.phone_digits("secret" * 100)
    assert len(str(refused.value)) < 80


@QUICK
@given(st.text())
def test_given_any_text_when_made_printable_then_it_is_plain_text(value):
    assert safe.plain_text(safe.printable(value)) is not None


BUILDERS = [
    commands.auth,
    commands.raw_line,
    lambda value: commands.userauth("u", "d", value),
    lambda value: commands.userauth(value, "d", "p"),
    lambda value: commands.userauth("u", value, "p"),
    lambda value: commands.execute(value),
    lambda value: commands.execute("playback", value),
    lambda value: commands.execute("set", value),
    lambda value: commands.execute("bridge", value),
    lambda value: commands.execute("playback", "x", event_id=value),
    lambda value: commands.execute("playback", "x", call=value),
    lambda value: commands.hangup(value),
    lambda value: commands.hangup("USER_BUSY", value),
    lambda value: commands.api(value),
    lambda value: commands.api("status", value),
    lambda value: commands.bgapi("status", value),
    lambda value: commands.bgapi("status", job_id=value),
    commands.events_json,
    lambda value: commands.filter_header(value, "x"),
    lambda value: commands.filter_header("Unique-ID", value),
    commands.linger,
]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("line_break", BREAKS)
def test_given_a_control_character_when_building_any_command_then_it_is_refused(build, line_break):
    for value in (line_break, f"a{line_break}b", f"{line_break}api system x", f"abc{line_break}"):
        with pytest.raises(UnsafeValue):
            build(value)


@QUICK
@given(st.sampled_from(BUILDERS), st.text())
def test_given_any_text_when_a_command_is_built_then_the_switch_reads_exactly_one(build, value):
    try:
        block = build(value)
    except UnsafeValue:
        return
    (command,) = CommandReader().feed(block)
    assert command.line.split(" ")[0] in {"auth", "userauth", "sendmsg", "api", "bgapi", "event", "filter"} | {
        value.split(" ")[0]
    }


@pytest.mark.parametrize(
    "build",
    [
        lambda: commands.execute("playback", "${system(id)}"),
        lambda: commands.execute("set", "a=${uuid}"),
        lambda: commands.execute("set", "name=O'Brien"),
        lambda: commands.execute("bridge", "{origination_caller_id_name='x'}sofia/y/1"),
        lambda: commands.execute("bridge", r"{sip_h_X-A=1\r\nB:2}sofia/y/1"),
        lambda: commands.execute("system", "id"),
        lambda: commands.api("system", "id"),
        lambda: commands.api("bg_system", "id"),
        lambda: commands.api("uuid_setvar", CALL, "name", "Zoë"),
        lambda: commands.api("uuid_transfer", CALL, "'hangup'", "inline"),
        lambda: commands.api("expand", "${system(id)}"),
        lambda: commands.api("status", ""),
        lambda: commands.events_json(),
        lambda: commands.linger(0),
        lambda: commands.linger(True),
        lambda: commands.hangup("normal clearing"),
        lambda: commands.execute("playback", "x" * 2_000_000),
    ],
)
def test_given_something_the_switch_would_interpret_when_building_then_it_is_refused(build):
    with pytest.raises(UnsafeValue):
        build()


def test_given_good_values_when_building_then_the_bytes_are_what_the_switch_expects():
    assert commands.connect() == b"connect\n\n"
    assert commands.exit_() == b"exit\n\n"
    assert commands.linger(5) == b"linger 5\n\n"
    assert commands.noevents() == b"noevents\n\n"
    assert commands.events_json("CHANNEL_CREATE", "CUSTOM", "sofia::register") == (
        b"event json CHANNEL_CREATE CUSTOM sofia::register\n\n"
    )
    assert (
        commands.execute("playback", "/é.wav", event_id="e-1", call=CALL.upper())
        == (
            f"sendmsg {CALL}\ncall-command:execute\nexecute-app-name:playback\nevent-uuid:e-1\nevent-lock:true\n"
            "content-type:text/plain\ncontent-length:7\n\n/é.wav"
        ).encode()
    )
    assert commands.hangup("USER_BUSY") == b"sendmsg\ncall-command:hangup\nhangup-cause:USER_BUSY\n\n"
    assert commands.bgapi("status", job_id="j-1") == b"bgapi status\nJob-UUID:j-1\n\n"
    assert commands.filter_header("Unique-ID", CALL) == f"filter Unique-ID {CALL}\n\n".encode()
