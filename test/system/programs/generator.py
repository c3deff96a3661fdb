# A running generator, three threads, and a log file that stays open.
import sys
import threading
import time


def numbers():
    n = 0
    while True:
        n += 1
        yield n


turns = [0, 0, 0]


def turn(index):
    while True:
        turns[index] += 1
        time.sleep(0.01)


for index in range(3):
    threading.Thread(target=turn, args=(index,), daemon=True).start()
with open(sys.argv[1], "a") as log:
    for number in numbers():
        log.write(f"line {number}\n")
        log.flush()
        print(f"beat {number} threads {min(turns)}", flush=True)
        time.sleep(0.1)
