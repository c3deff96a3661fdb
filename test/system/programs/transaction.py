# Inserts within one transaction until SIGUSR1 commits it and ends.
import signal
import sqlite3
import sys
import time

database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("create table rows(n)")
database.execute("begin immediate")
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(True))
n = 0
while not asked:
    n += 1
    database.execute("insert into rows values(?)", (n,))
    print(f"beat {n}", flush=True)
    time.sleep(0.05)
database.execute("commit")
print(f"committed {n}", flush=True)
