"""This machine and another over SSH do the same. The other one is this one too, behind an sshd of the test's own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dialtrace.loadruns.errors import HostFailed
from dialtrace.loadruns.hosts import LocalMachine, RemoteMachine, await_end

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
REASON = "no sshd: apt-get install openssh-server"


def wait_for(look, within_s=60):
    until_s = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < until_s, "it did not happen in time"
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """Port and client's key of an sshd that lets us in."""
    folder: Path = tmp_path_factory.mktemp("sshd")
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/client.pub\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nMaxStartups 100\n"
    )
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    wait_for(lambda: answers(port))
    yield port, folder / "client"
    server.terminate()
    server.wait(20)


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.skipif(SSHD is None, reason=REASON))])
def machine(request):
    if request.param == "local":
        one = LocalMachine("here", "127.0.0.1")
    else:
        port, key = request.getfixturevalue("sshd")
        options = ("-F", "none", "-i", str(key), "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no")
        one = RemoteMachine("there", "127.0.0.1", f"ssh://127.0.0.1:{port}", options=options)
    yield one
    one.close()
    assert not Path(one.folder).exists()


def test_given_a_file_then_it_comes_back_whole_or_from_a_byte_on(machine):
    content = bytes(range(256)) * 100
    machine.put("some file", content)
    assert machine.get("some file") == content
    assert machine.get("some file", after=25_000) == content[25_000:]
    assert machine.get("some file", after=len(content)) == b""
    assert machine.get("none") == b""


def test_given_a_program_then_it_runs_in_the_folder_and_its_end_is_known(machine):
    argv = [sys.executable, "-c", "import sys; open('made', 'w').write('x y'); print('said'); sys.exit(7)"]
    program = machine.start("try", argv)
    assert await_end([program], time.monotonic() + 60)
    assert program.status == 7
    assert machine.get("made") == b"x y"
    assert machine.get("try.out") == b"said\n"


def test_given_a_program_that_goes_on_then_it_hears_signals_and_is_stopped(machine):
    script = (
        "import signal, time\nheard = []\nsignal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))\n"
        "print('up', flush=True)\nwhile True: time.sleep(0.05)\n"
    )
    program = machine.start("try", [sys.executable, "-c", script])
    wait_for(lambda: machine.get("try.out") == b"up\n")
    program.signal("USR1")
    wait_for(lambda: machine.get("try.out") == b"up\nheard\n")
    assert program.status is None
    program.stop()
    assert program.status is not None


def test_given_a_program_that_will_not_end_then_it_is_made_to(machine):
    script = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)\n"
    )
    program = machine.start("stubborn", [sys.executable, "-c", script])
    wait_for(lambda: machine.get("stubborn.out") == b"up\n")
    program.stop()
    assert program.status is not None


def test_given_a_question_that_fails_then_it_says_where_and_what(machine):
    assert machine.ask(["echo", "a b", "c"]) == "a b c\n"
    with pytest.raises(HostFailed, match=rf"{machine.name}: .*no-such-file"):
        machine.ask(["cat", "/no-such-file"])


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh")
def test_given_a_host_that_does_not_answer_then_it_says_so():
    with pytest.raises(HostFailed, match="away"):
        RemoteMachine("away", "127.0.0.1", f"ssh://127.0.0.1:{free_port()}", options=("-F", "none"))
