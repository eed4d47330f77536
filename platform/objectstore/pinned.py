"""Connections to a store whose address somebody else has written down: judged once they stand, before anything is sent.

A name may lead elsewhere between the moment at which it is judged and the one at which it is connected to. What is
judged here is the socket's own far end, so there is no such moment. The only place that knows how botocore connects.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

#: Judges scheme, host, port and the address that was connected to; raises an error of this room.
Judge = Callable[[str, str, int, str], None]


def pin(client: Any, judge: Judge) -> None:
    """From now on every connection of this boto3 client is judged. The client must use no proxy."""
    manager = client._endpoint.http_session._manager
    manager.pool_classes_by_scheme = {
        "http": _pool(AWSHTTPConnectionPool, AWSHTTPConnection, "http", judge),
        "https": _pool(AWSHTTPSConnectionPool, AWSHTTPSConnection, "https", judge),
    }


def _pool(pool: Any, connection: Any, scheme: str, judge: Judge) -> Any:
    class JudgedConnection(connection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            try:
                judge(scheme, self.host, self.port, sock.getpeername()[0])
            except BaseException:
                sock.close()
                raise
            return sock

    class JudgedPool(pool):  # type: ignore[misc]
        ConnectionCls = JudgedConnection

    return JudgedPool
