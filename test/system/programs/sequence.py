# Counts aloud for the witness of the device that it runs on: NAME NUMBER HOST WORD, and on its output. Its state is
# looked at all the time: the lease, an open file that holds the number before, and a block of memory.
#
#     sequence.py NAME MEGABYTES LEASE
import os
import socket
import sys
import time
import zlib

name, size, path = sys.argv[1], int(sys.argv[2]) << 20, sys.argv[3]
lease = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
block = bytearray(os.urandom(size))
half = size // 2
slots = half // 8
first = zlib.crc32(memoryview(block)[half:])
number = 0


def slot(index):
    at = (index % slots) * 8
    return slice(at, at + 8)


def look():
    held = os.pread(lease, 32, 0).decode()
    if number > 0 and held != str(number):
        return f'lease:{held or "empty"}'
    if any(block[slot(each)] != each.to_bytes(8, 'little') for each in range(1, number + 1)[-64:]):
        return 'memory:written'
    if number % 16 == 0 and zlib.crc32(memoryview(block)[half:]) != first:
        return 'memory:kept'
    return 'ok'


while True:
    word = look()
    number += 1
    block[slot(number)] = number.to_bytes(8, 'little')
    os.ftruncate(lease, 0)
    os.pwrite(lease, str(number).encode(), 0)
    said = f'{name} {number} {socket.gethostname()} {word}'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as voice:
        voice.sendto(said.encode(), ('127.0.0.1', 4777))
    print(said, flush=True)
    time.sleep(0.05)
