"""Our socket classes against a real FreeSWITCH with a configuration of a few lines, on loopback ports of its own.

Skipped where there is none (``FREESWITCH_BIN``, or ``freeswitch`` on the PATH).
"""

import json
import os
import shutil
import socket as stdlib_socket
import subprocess
import time
import uuid
from pathlib import Path

import gevent
import pytest
from greenswitch.esl import ESLEvent as StockEvent

from dialtrace.esl import commands
from dialtrace.esl.errors import AccessDenied, CommandRefused, EslError
from dialtrace.esl.inbound import InboundClient
from dialtrace.esl.outbound import AskingServer, OutboundServer

FREESWITCH = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
pytestmark = [
    pytest.mark.freeswitch,
    pytest.mark.skipif(FREESWITCH is None, reason="no FreeSWITCH here"),
]

CONFIGURATION = """<?xml version="1.0"?>
<document type="freeswitch/xml">
  <section name="configuration">
    <configuration name="modules.conf"><modules>
      <load module="mod_event_socket"/><load module="mod_loopback"/><load module="mod_commands"/>
      <load module="mod_dptools"/><load module="mod_dialplan_xml"/>
    </modules></configuration>
    <configuration name="switch.conf"><settings>
      <param name="sessions-per-second" value="500"/><param name="api-expansion" value="false"/>
    </settings></configuration>
    <configuration name="event_socket.conf"><settings>
      <param name="listen-ip" value="127.0.0.1"/><param name="listen-port" value="{port}"/>
      <param name="password" value="a-test"/><param name="stop-on-bind-error" value="true"/>
    </settings></configuration>
    <configuration name="loopback.conf"><settings/></configuration>
    <configuration name="timezones.conf"><timezones/></configuration>
    <configuration name="acl.conf"><network-lists/></configuration>
    <configuration name="post_load_modules.conf"><modules/></configuration>
  </section>
  <section name="dialplan"><context name="default">
    <extension name="callee"><condition field="destination_number" expression="^100$">
      <action application="answer"/><action application="park"/>
    </condition></extension>
  </context></section>
</document>
"""


def free_port():
    with stdlib_socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def switch_port(tmp_path_factory):
    """A running switch's event socket port."""
    home = tmp_path_factory.mktemp("switch")
    port = free_port()
    folders = {name: home / name for name in ("conf", "log", "db", "run", "scripts", "temp", "recordings", "storage")}
    for folder in folders.values():
        folder.mkdir()
    (folders["conf"] / "freeswitch.xml").write_text(CONFIGURATION.format(port=port))
    modules = Path(FREESWITCH).resolve().parent.parent / "mod"
    where = ["-mod", str(modules)] if modules.is_dir() else []  # otherwise where the binary was built to look
    options = [part for name, folder in folders.items() for part in (f"-{name}", str(folder))]
    more = [part for name in ("certs", "sounds", "cache") for part in (f"-{name}", str(folders["temp"]))]
    process = subprocess.Popen(
        [FREESWITCH, "-nf", "-nc", "-nonat", "-np", *where, *options, *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield wait_for(process, port)
    finally:
        process.kill()  # nothing of it is kept, and an orderly end takes seconds
        process.wait(10)


def wait_for(process, port):
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        if process.poll() is not None:
            pytest.fail("the switch did not start")
        try:
            stdlib_socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return port
        except OSError:
            time.sleep(0.1)
    return pytest.fail("the switch did not open its event socket")


@pytest.fixture
def fs(switch_port, closing):
    heard, ended = [], []
    made = InboundClient("127.0.0.1", switch_port, "a-test", on_event=heard.append, on_disconnect=ended.append)
    made.heard, made.ended = heard, ended
    made.connect()
    closing.append(made.close)
    return made


def channels(fs):
    return json.loads(fs.api("show", "channels", "as", "json"))["row_count"]


def stock_uuid(reply):
    """What stock greenswitch makes of the same reply."""
    return StockEvent("".join(f"{name}: {value}\n" for name, value in reply.raw.items())).headers["Unique-ID"]


def start_call(fs, address, name, more=""):
    target = f"&socket({address[0]}:{address[1]}\\sasync\\sfull)".replace("\\s", " ")
    variables = (
        f"{{{more}socket_resume=true,origination_caller_id_name={name},origination_caller_id_number=442079460001}}"
    )
    fs.command(commands.raw_line(f"bgapi originate {variables}loopback/100/default/XML '{target}'"))


def test_given_a_real_switch_when_asked_then_output_and_refusals_come_back(fs, switch_port):
    assert "FreeSWITCH" in fs.api("version")
    assert channels(fs) == 0
    with pytest.raises(CommandRefused):
        fs.api("no_such_command")
    with pytest.raises(CommandRefused):
        fs.api("uuid_kill", "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0")
    fs.subscribe("BACKGROUND_JOB", "HEARTBEAT")
    job = fs.bgapi("status")
    with gevent.Timeout(5):
        while not any(event.get("Job-UUID") == job for event in fs.heard):
            gevent.sleep(0.01)
    assert fs.bad_events == 0
    with pytest.raises(AccessDenied):
        InboundClient("127.0.0.1", switch_port, "wrong", on_event=print, on_disconnect=print).connect()


def test_given_a_caller_who_forges_a_newline_when_the_switch_hands_over_then_nothing_is_forged(fs, closing, until):
    """The name holds ``%0A``, which a real switch passes on as it is: stock greenswitch would take the uuid from it."""
    forged = "Mallory%0AUnique-ID:%20ffffffff-0000-4000-8000-000000000000%0AEvent-Name:%20FORGED"
    calls, failures = [], []

    def handler(call):
        replies = call.run(commands.execute("set", r"dialtrace_plan=m:~:sleep:10~hangup:USER_BUSY"), commands.exit_())
        calls.append((call.reply, [frame.reply_text for frame in replies]))

    server = OutboundServer(("127.0.0.1", 0), handler, on_failure=failures.append)
    server.start()
    closing.append(lambda: server.stop(0))
    fs.subscribe("CHANNEL_HANGUP_COMPLETE", "CHANNEL_CREATE")
    start_call(fs, server.address, forged)
    assert until(lambda: calls or failures)
    assert failures == []
    reply, texts = calls[0]
    assert texts[0] == "+OK"
    assert reply.call_id != "ffffffff-0000-4000-8000-000000000000"
    assert reply.get("Event-Name") == "CHANNEL_DATA"
    # The switch really passed the forgery on; it stays inside the value that it came in.
    assert any("Mallory\nUnique-ID: ffffffff" in (reply.get(name) or "") for name in reply.raw)
    assert stock_uuid(reply) == "ffffffff-0000-4000-8000-000000000000"
    assert reply.created_us > 1_700_000_000_000_000
    fs.api("hupall", "NORMAL_CLEARING")
    assert until(lambda: any(event.name == "CHANNEL_HANGUP_COMPLETE" for event in fs.heard))
    assert {event.name for event in fs.heard} == {"CHANNEL_CREATE", "CHANNEL_HANGUP_COMPLETE"}
    sequences = [event.sequence for event in fs.heard]
    assert sequences == sorted(sequences)


def test_given_a_handler_that_fails_when_the_switch_hands_over_then_the_switch_goes_on(fs, closing, until):
    failures: list[EslError] = []

    def handler(call):
        raise RuntimeError

    server = OutboundServer(("127.0.0.1", 0), handler, on_failure=failures.append)
    server.start()
    closing.append(lambda: server.stop(0))
    start_call(fs, server.address, "Alice")
    assert until(lambda: failures)
    # With socket_resume the channel leaves the socket application, has nothing more to do, and ends.
    assert until(lambda: channels(fs) == 0)


def test_given_a_real_switch_when_variables_are_asked_for_then_they_come_and_the_call_goes_on(fs, closing, until):
    """Without ``connect``: the first answer is missing, and the plan is still carried out."""
    calls, failures = [], []

    def handler(call):
        replies = call.run(commands.execute("set", "dialtrace_mark=kept", lock=False), commands.exit_())
        calls.append((call.call_id, [call.variable(name) for name in names], replies[0].reply_text))

    names = ("number", "absent", "resumes")
    wanted = str(uuid.uuid4())
    server = AskingServer(("127.0.0.1", 0), handler, variables=names, on_failure=failures.append)
    server.start()
    closing.append(lambda: server.stop(0))
    fs.subscribe("CHANNEL_HANGUP_COMPLETE")
    start_call(fs, server.address, "Alice", f"origination_uuid={wanted},asks={wanted}|442079460001||true,")
    assert until(lambda: calls or failures)
    assert failures == []
    call_id, told, reply = calls[0]
    assert (call_id, told, reply) == (wanted, ["442079460001", None, "true"], "+OK")

    def ended():
        return [event for event in fs.heard if event.get("Unique-ID") == call_id]

    # With socket_resume the channel leaves the socket application, has nothing more to do, and ends.
    assert until(ended)
    assert ended()[0].get("variable_dialtrace_mark") == "kept"


def test_given_a_switch_that_says_goodbye_when_we_exit_then_the_end_is_told_once(fs):
    fs.close()
    assert len(fs.ended) == 1
