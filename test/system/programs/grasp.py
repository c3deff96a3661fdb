# Beats, and takes at each beat whatever it can get hold of.
import ctypes
import os
import time

libc = ctypes.CDLL(None, use_errno=True)


def grasp(what):
    try:
        what()
    except OSError:
        pass


def write(path):
    with open(path, 'a') as file:
        file.write('taken\n')


beat = 0
while True:
    beat += 1
    for path in ('/etc/flick-taken', '/etc/passwd', '/root/flick-taken'):
        grasp(lambda: write(path))
    grasp(lambda: os.setresuid(0, 0, 0))
    grasp(lambda: os.mknod('/tmp/flick-taken', 0o60666, os.makedev(8, 0)))
    libc.umount2(b'/etc', 2)
    libc.umount2(b'/', 2)
    grasp(lambda: os.kill(1, 0))
    print(f'beat {beat}', flush=True)
    time.sleep(0.1)
