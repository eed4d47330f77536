"""FreeSWITCH's event socket, as a worker, a monitor and an embedded switch need it.

Without sockets: ``wire`` (bytes and frames, both roles), ``events`` (typed events, the connect reply), ``commands``
(bytes to send, built so that nothing can be injected), ``safe`` (the whitelists), ``errors`` (is the connection dead,
or was only the command refused?). On gevent: ``outbound`` (take calls), ``inbound`` (hear events, ask), on ``link``
and ``server``. ``greenswitch_api`` keeps greenswitch's classes on top of all that.

Knows nothing of routes, plans, tenants or the database.
"""
