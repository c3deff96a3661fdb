# Holds memory whose content is known from its place, and beats on the wall clock. Arguments: MiB, and MiB that are written
# anew every second. Writes `beat N` every 20 ms, `gap MS` for each gap over 100 ms, and after each SIGUSR1 `whole N` with
# a number that rises, or `broken N` with the number of pages that are not as they should be.
import hashlib
import signal
import sys
import time

page = 4096
size = int(sys.argv[1]) << 20
rewritten = int(sys.argv[2]) << 20 if len(sys.argv) > 2 else 0
pages = size // page
memory = bytearray(size)
versions = bytearray(pages)
asked = 0


def content(number):
    return hashlib.shake_128(number.to_bytes(8, 'little') + bytes([versions[number]])).digest(page)


def ask(_signal, _frame):
    global asked
    asked += 1


signal.signal(signal.SIGUSR1, ask)
for number in range(pages):
    memory[number * page:(number + 1) * page] = content(number)

beat = 0
verified = 0
turn = 0
debt = 0.0
last = time.time()
while True:
    beat += 1
    print(f'beat {beat}', flush=True)
    time.sleep(0.02)
    now = time.time()
    if now - last > 0.1:
        print(f'gap {int((now - last) * 1000)}', flush=True)
    last = now
    debt += rewritten / 50 / page
    while debt >= 1:
        debt -= 1
        turn = (turn + 1) % pages
        versions[turn] = (versions[turn] + 1) % 256
        memory[turn * page:(turn + 1) * page] = content(turn)
    if verified < asked:
        verified += 1
        wrong = sum(memory[each * page:(each + 1) * page] != content(each) for each in range(pages))
        print(f'whole {verified}' if wrong == 0 else f'broken {wrong}', flush=True)
        last = time.time()
