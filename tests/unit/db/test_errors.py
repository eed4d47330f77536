"""A foreign error becomes ours, and says whether trying again helps."""

import psycopg2
import psycopg2.errors
import pytest
import sqlalchemy.exc

from dialtrace.db.engine import driver_url, tenant_settings
from dialtrace.db.errors import (
    DatabaseNotReady,
    DatabaseRefuses,
    DatabaseUnavailable,
    NoFreeConnection,
    StatementTooSlow,
    TransactionConflict,
    translate,
)


class WithState(psycopg2.OperationalError):
    """psycopg2's pgcode can be set only from C."""

    def __init__(self, state, text="words of the server"):
        super().__init__(text)
        self.state = state

    @property
    def pgcode(self):
        return self.state


def wrapped(original, *, kind=sqlalchemy.exc.OperationalError, invalidated=False):
    return kind("SELECT 1", {}, original, connection_invalidated=invalidated)


@pytest.mark.parametrize(
    ("state", "ours", "retry_helps"),
    [
        ("57014", StatementTooSlow, True),
        ("57P01", DatabaseUnavailable, True),
        ("57P03", DatabaseUnavailable, True),
        ("08006", DatabaseUnavailable, True),
        ("53300", DatabaseUnavailable, True),
        ("40P01", TransactionConflict, True),
        ("40001", TransactionConflict, True),
        ("55P03", TransactionConflict, True),
        ("42P01", DatabaseNotReady, False),
        ("42883", DatabaseNotReady, False),
        ("28P01", DatabaseRefuses, False),
    ],
)
def test_given_a_state_then_the_error_says_whether_retrying_helps(state, ours, retry_helps):
    found = translate(wrapped(WithState(state)))
    assert type(found) is ours
    assert found.retry_helps is retry_helps
    assert "words of the server" in str(found)


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ('connection to server on socket "/x" failed: FATAL:  role "dialtrace_app" does not exist', DatabaseNotReady),
        ('FATAL:  invalid value for parameter "role": "dialtrace_app"', DatabaseNotReady),
        ('FATAL:  database "x" does not exist', DatabaseRefuses),
        ('FATAL:  password authentication failed for user "x"', DatabaseRefuses),
        ("connection to server failed: Connection refused", DatabaseUnavailable),
        ("timeout expired", DatabaseUnavailable),
    ],
)
def test_given_a_connection_that_was_never_made_then_the_servers_words_decide(text, ours):
    assert type(translate(wrapped(psycopg2.OperationalError(text)))) is ours


def test_given_a_broken_connection_then_unavailable():
    error = wrapped(psycopg2.InterfaceError("closed"), kind=sqlalchemy.exc.DBAPIError, invalidated=True)
    assert type(translate(error)) is DatabaseUnavailable


def test_given_an_empty_pool_then_no_free_connection_and_retrying_helps():
    found = translate(sqlalchemy.exc.TimeoutError("QueuePool limit"))
    assert type(found) is NoFreeConnection
    assert found.retry_helps


@pytest.mark.parametrize(
    "error",
    [
        wrapped(psycopg2.errors.UniqueViolation("x"), kind=sqlalchemy.exc.IntegrityError),
        wrapped(psycopg2.errors.InsufficientPrivilege("x"), kind=sqlalchemy.exc.ProgrammingError),
        sqlalchemy.exc.ArgumentError("x"),
    ],
)
def test_given_a_violated_rule_or_a_fault_of_ours_then_it_passes_as_it_is(error):
    assert translate(error) is None


@pytest.mark.parametrize("value", ["", "x", "'; DROP TABLE calls; --", "018f0000-0000-7000-8000-0000000000a1'", None])
def test_given_a_tenant_that_is_no_uuid_then_no_statement_is_made(value):
    with pytest.raises((ValueError, TypeError)):
        tenant_settings(value, None)
    if value is not None:
        with pytest.raises(ValueError, match="UUID"):
            tenant_settings("018f0000-0000-7000-8000-0000000000a1", value)


def test_given_a_tenant_in_any_writing_then_the_literal_has_the_one_form():
    said = tenant_settings("{018F0000-0000-7000-8000-0000000000A1}", None)
    assert (
        said == "SET LOCAL dialtrace.agency = '018f0000-0000-7000-8000-0000000000a1'; SET LOCAL dialtrace.client = ''"
    )


def test_given_an_address_without_driver_then_ours_is_used():
    assert driver_url("postgresql://u:p%40ss@h/d").drivername == "postgresql+psycopg2"
    assert driver_url("postgresql://u:p%40ss@h/d").password == "p@ss"
