"""The lines of the reference, as text; that they work is seen by running them (tests/integration/api)."""

from dialtrace.api.curl import curl_of
from dialtrace.api.fields import EXAMPLE_ID


def test_given_ids_in_an_example_when_written_then_a_shell_puts_ones_own_there() -> None:
    body = {"client_id": EXAMPLE_ID, "targets": [EXAMPLE_ID], "number_ids": [EXAMPLE_ID], "visit": EXAMPLE_ID}
    line = curl_of("POST", "/v1/things", {"security": [{"key": []}]}, body)
    for variable in ("CLIENT_ID", "TARGET_ID", "NUMBER_ID", "VISIT_ID"):
        assert f'"\'"${variable}"\'"' in line
    assert EXAMPLE_ID not in line
    assert "Idempotency-Key: $(uuidgen)" in line


def test_given_what_must_be_asked_when_written_then_it_stands_in_the_address() -> None:
    operation = {
        "parameters": [
            {"name": "from", "in": "query", "required": True, "schema": {"examples": ["2026-01-01T00:00:00Z"]}},
            {"name": "limit", "in": "query", "schema": {}},
        ]
    }
    line = curl_of("GET", "/v1/x", operation, None)
    assert line == 'curl "$DIALTRACE/v1/x?from=2026-01-01T00:00:00Z"'
