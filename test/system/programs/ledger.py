# Keeps a log that it appends to and a file of pages that it changes in the middle, both through descriptors that it
# never closes. USR1: changes both. USR2: says what they hold, read by their paths. With `restless` it appends all the time.
import hashlib
import os
import random
import signal
import sys
import time

folder, log_size, pages_size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
restless = 'restless' in sys.argv
chance = random.Random(7)
os.makedirs(folder, exist_ok=True)
log = open(f'{folder}/log', 'a+b', buffering=0)
pages = open(f'{folder}/pages', 'w+b', buffering=0)
for file, size in ((log, log_size), (pages, pages_size)):
    while file.tell() < size:
        file.write(os.urandom(min(1 << 16, size - file.tell())))
lines = 0
rounds = 0
wanted = []


def append(count):
    global lines
    for _ in range(count):
        log.write(f'{lines:09d} {chance.getrandbits(400):0100x}\n'.encode())
        lines += 1


def change():
    global rounds
    rounds += 1
    append(2000)
    for _ in range(20):
        page = chance.randrange(pages_size // 4096)
        pages.seek(page * 4096)
        pages.write(os.urandom(4096))


def digest(path, size):
    # In small parts: memory that was full of it would move as well.
    found = hashlib.sha256()
    with open(path, 'rb') as file:
        while file.tell() < size:
            found.update(file.read(min(1 << 16, size - file.tell())))
    return found.hexdigest()[:16]


def tell():
    with open(f'{folder}/log', 'rb') as file:
        file.seek(log_size)
        numbers = [int(line[:9]) for line in file.read().splitlines()]
    whole = 'whole' if numbers == list(range(lines)) else 'BROKEN'
    print(f'told {rounds} {digest(folder + "/log", log_size)} {digest(folder + "/pages", pages_size)} {whole}', flush=True)


signal.signal(signal.SIGUSR1, lambda *_: wanted.append(change))
signal.signal(signal.SIGUSR2, lambda *_: wanted.append(tell))
print('ready', flush=True)
while True:
    while wanted:
        wanted.pop(0)()
        if not restless:
            print('did', flush=True)
    if restless:
        append(20)
    time.sleep(0.02)
