# Beats; with arguments it does one thing more, named by the first of them.
import os
import socket
import sys
import time

held = []
what = sys.argv[1] if len(sys.argv) > 1 else ''
if what == 'memory':
    held.append(os.urandom(int(sys.argv[2]) << 20))
elif what == 'connect':
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(sys.argv[2])
    held.append(peer)
elif what == 'listen':
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('0.0.0.0', int(sys.argv[2])))
    server.listen()
    held.append(server)
elif what == 'open':
    held.append(open(sys.argv[2], 'rb'))

beat = 0
while True:
    beat += 1
    print(f'beat {beat}', flush=True)
    time.sleep(0.1)
