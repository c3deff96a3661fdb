# Writes an entry into a file at every SIGUSR1 and tells what is in it; how many it wrote is in memory only.
import signal
import sys
import time

path = sys.argv[1]
diary = open(path, 'a+')
entries = 0


def write(_signal, _frame):
    global entries
    entries += 1
    diary.write(f'{entries};')
    diary.flush()
    with open(path) as again:
        print(f'entries {entries} file {again.read()}', flush=True)


signal.signal(signal.SIGUSR1, write)
beat = 0
while True:
    beat += 1
    print(f'beat {beat}', flush=True)
    time.sleep(0.1)
