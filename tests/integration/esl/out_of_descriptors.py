"""Run by ``test_outbound``: uses up the descriptors, dials, gives them back, dials again."""

import os
import resource

import gevent
from gevent import socket

from dialtrace.esl.outbound import OutboundServer

served = []
server = OutboundServer(("127.0.0.1", 0), served.append, connect_timeout_s=2)
server.start()
gevent.sleep(0)
client = socket.socket()
client.settimeout(5)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
hoard = []
try:
    while True:
        hoard.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
client.connect(server.address)
try:
    if client.recv(10) == b"":
        print("turned-away")
except ConnectionResetError:
    print("turned-away")
client.close()
for descriptor in hoard:
    os.close(descriptor)
with socket.create_connection(server.address, timeout=5) as second:
    if second.recv(100) == b"connect\n\n":
        print("served")
server.stop(0)
