# Holds memory and a file, and says again and again what they hold.
import hashlib
import sys
import time

chunk = b''.join(hashlib.sha256(str(number).encode()).digest() for number in range(20_000))
beat = 0
while True:
    beat += 1
    with open(sys.argv[1], 'rb') as file:
        carried = hashlib.sha256(file.read()).hexdigest()[:16]
    print(f'holds {hashlib.sha256(chunk).hexdigest()[:16]} {carried}', flush=True)
    print(f'beat {beat}', flush=True)
    time.sleep(0.1)
