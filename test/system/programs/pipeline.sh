# Three programs that hand lines on to each other.
/usr/bin/python3 -u -c 'import time
n = 0
while True: n += 1; print(n); time.sleep(0.1)' |
  sed -u 's/^/beat /' |
  cat -u
