"""The embedded server: starts from nothing, keeps its data, and gets over what kills it."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg2
import pytest

from dialtrace.db.embedded import start_embedded
from dialtrace.db.errors import EmbeddedServerFailed


def ask(url, statement):
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None
    finally:
        connection.close()


def postmaster(folder):
    return psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))


@pytest.fixture
def folder():
    """Where a server may live; whatever still runs there at the end is stopped. Not pytest's own folder: every pytest
    that starts shuts that one for the user that the server runs as."""
    with tempfile.TemporaryDirectory(prefix="dialtrace-test-") as place:
        path = Path(place) / "private" / "postgres"
        yield path
        if (path / "PG_VERSION").exists():
            start_embedded(path).stop()


def test_given_a_server_then_it_keeps_its_data_and_shuts_others_out_and_ends_when_told(folder):
    folder.parent.mkdir(mode=0o700)
    server = start_embedded(folder)
    ask(server.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    assert ask(server.url, "SHOW max_connections") == ("200",)
    assert ask(server.url, "SHOW fsync") == ("on",)
    assert ask(server.url, "SHOW listen_addresses") == ("",)
    assert ask(server.url, "SHOW timezone") == ("UTC",)
    # Every login is trusted, so nobody else may get to the socket, nor read what lies above it.
    assert stat.S_IMODE((folder / ".s.PGSQL.5432").stat().st_mode) == 0o700
    assert not stat.S_IMODE(folder.parent.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH)
    server.stop()
    server.stop()
    with pytest.raises(psycopg2.OperationalError):
        ask(server.url, "SELECT 1")

    again = start_embedded(folder)
    assert again.url == server.url
    assert ask(again.url, "SELECT seven FROM kept") == (7,)


def test_given_a_server_that_runs_when_started_again_then_it_is_joined_also_by_others(folder):
    first = start_embedded(folder)
    process = postmaster(folder)
    script = (
        "import sys; from pathlib import Path; from dialtrace.db.embedded import start_embedded\n"
        "print(start_embedded(Path(sys.argv[1])).url)"
    )
    helpers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert {helper.communicate(timeout=30)[0].strip() for helper in helpers} == {first.url}
    # They are gone, and the server is not.
    assert postmaster(folder) == process
    assert ask(first.url, "SELECT 1") == (1,)


def test_given_a_server_that_was_killed_then_a_start_gets_it_back_with_all_that_was_committed(folder):
    server = start_embedded(folder)
    ask(server.url, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) n")
    os.kill(postmaster(folder).pid, signal.SIGKILL)
    again = start_embedded(folder)
    assert ask(again.url, "SELECT count(*) FROM kept") == (1000,)


def test_given_a_stale_pid_that_is_somebody_elses_now_then_the_server_starts_and_they_live(folder):
    start_embedded(folder).stop()
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        for content in (f"{sleeper.pid}\n{folder}\n1\n5432\n{folder}\n\n\nready\n", f"{sleeper.pid}\n", "", "\0\0"):
            (folder / "postmaster.pid").write_text(content)
            server = start_embedded(folder)
            assert ask(server.url, "SELECT 1") == (1,)
            server.stop()
        assert sleeper.poll() is None
        sleeper.kill()


def test_given_an_initialisation_that_was_cut_short_then_the_next_one_starts_afresh(folder):
    half = folder.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(start_embedded(folder).url, "SELECT 1") == (1,)
    assert not half.exists()


def test_given_a_folder_with_something_else_in_it_then_it_is_left_alone(folder):
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(EmbeddedServerFailed, match="not empty"):
        start_embedded(folder)
    assert [entry.name for entry in folder.iterdir()] == ["letter.txt"]


def test_given_a_path_that_the_server_cannot_take_then_the_message_says_which_setting_to_change(tmp_path):
    with pytest.raises(EmbeddedServerFailed, match="DIALTRACE_DATA_DIR"):
        start_embedded(tmp_path / "my data" / "postgres")


def test_given_a_folder_that_cannot_be_made_then_the_error_is_ours():
    with pytest.raises(EmbeddedServerFailed, match="/proc"):
        start_embedded(Path("/proc/dialtrace/postgres"))


def test_given_a_folder_far_down_then_the_socket_finds_a_shorter_place(folder):
    deep = folder.parent / ("x" * 60) / ("y" * 60) / "postgres"
    server = start_embedded(deep)
    assert ask(server.url, "SELECT 1") == (1,)
    server.stop()
