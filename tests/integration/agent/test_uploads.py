"""The agent and an S3 that comes and goes: recordings wait on disk, call records do not wait for them."""

import hashlib
import os
import signal
import socket

import boto3
import pytest
from moto.server import ThreadedMotoServer

from .conftest import tone
from .test_process import count, environment, put_call, running, wait_until

__all__ = ["environment"]

#: A port of this test process alone.
PORT = 24140 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


@pytest.fixture
def s3_environment(environment, monkeypatch) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return environment | keys | {
        "DIALTRACE_RECORDINGS_URL": "s3://recordings/home",
        "DIALTRACE_S3_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
    }  # fmt: skip


def test_given_an_s3_that_is_away_when_calls_end_then_they_are_recorded_and_uploaded_when_it_is_back(
    node, s3_environment, tmp_path
):
    with running(s3_environment, tmp_path):
        for _ in range(8):
            put_call(node)
        wait_until(lambda: count(node, "calls") == 8, 60, "records without a store")
        wait_until(lambda: count(node, "recordings WHERE attempts > 0") > 0, 60, "a failed upload is noted")
        assert len(node.files("recordings")) == 8

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=PORT, verbose=False)
        server.start()
        try:
            client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{PORT}", region_name="us-east-1")
            client.create_bucket(Bucket="recordings")
            wait_until(lambda: count(node, "recordings WHERE state = 'verified'") == 8, 60, "uploads")
            wait_until(lambda: node.files("recordings-due") == [], 10, "reminders")
            keys = [found["Key"] for found in client.list_objects_v2(Bucket="recordings")["Contents"]]
            names = {f"home/{name}" for (name,) in node.rows("SELECT object_name FROM recordings")}
            assert set(keys) == names
            body = client.get_object(Bucket="recordings", Key=keys[0])["Body"].read()
        finally:
            server.stop()

    assert body == tone(0.05)
    assert node.rows("SELECT DISTINCT sha256 FROM recordings")[0][0].tobytes() == hashlib.sha256(body).digest()
    assert node.files("recordings") == []


def test_given_an_s3_that_accepts_and_never_answers_when_calls_end_then_no_record_waits_for_it(
    node, s3_environment, tmp_path
):
    with socket.create_server(("127.0.0.1", PORT), backlog=64), running(s3_environment, tmp_path) as agent:
        for _ in range(8):
            put_call(node)
        wait_until(lambda: count(node, "calls") == 8, 60, "the agent is up, all upload places are taken")
        delays = []
        for number in range(9, 15):
            put_call(node)
            delays.append(wait_until(lambda wanted=number: count(node, "calls") == wanted, 10, "a record"))
        # One may meet a machine that is busy with something else.
        assert sorted(delays)[-2] < 2.0
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=30) == 0
    assert len(node.files("recordings")) == 14
    assert len(node.files("recordings-due")) == 14
