"""Have the server run a script in my place; it needs no library of Python that is slow to import.

Usage: client.py SOCKET SCRIPT ARGUMENT...
"""

import _socket
import marshal
import os
import sys

server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect(sys.argv[1])
asked = marshal.dumps((sys.argv[2:], os.getcwd(), dict(os.environ)))  # noqa: PTH109 - pathlib is slow to import
streams = b"".join(stream.to_bytes(4, sys.byteorder) for stream in range(3))
size = len(asked).to_bytes(8, sys.byteorder)
server.sendmsg([size], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(asked)
status = int.from_bytes(server.recv(4), sys.byteorder, signed=True)
if status < 0:
    os.kill(os.getpid(), -status)
sys.exit(status)
