# The other end of a unix socket: takes one connection and keeps it.
import socket
import sys
import time

server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print('listening', flush=True)
kept = server.accept()
time.sleep(1000)
