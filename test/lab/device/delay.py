"""A link with a delay, in user space: kernels without netem have none of their own.

    delay.py MILLISECONDS TAP_A TAP_B COPIES MARK

Makes two TAP interfaces, prints "ready", and passes every frame that one receives on to the
other after the delay, in order, COPIES times. It runs until it is killed; the interfaces go with it.
MARK only shows whose relay it is.
"""

import collections
import fcntl
import os
import selectors
import struct
import sys
import time

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
# Frames on the way per direction; beyond it frames are lost, as on a real link.
QUEUE_LIMIT = 100_000
FRAME_LIMIT = 65_536


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def main():
    delay = float(sys.argv[1]) / 1000
    copies = int(sys.argv[4])
    taps = [open_tap(name) for name in sys.argv[2:4]]
    queues = {taps[0]: collections.deque(), taps[1]: collections.deque()}
    peer = {taps[0]: taps[1], taps[1]: taps[0]}
    selector = selectors.DefaultSelector()
    for tap in taps:
        selector.register(tap, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        due = [queue[0][0] for queue in queues.values() if queue]
        timeout = max(0, min(due) - time.monotonic()) if due else None
        for key, _ in selector.select(timeout):
            receive(key.fd, queues[peer[key.fd]], delay, copies)
        for tap, queue in queues.items():
            send(tap, queue)


def receive(tap, queue, delay, copies):
    """Takes what has arrived, a bounded number of frames so that sending is not starved."""
    for _ in range(64):
        try:
            frame = os.read(tap, FRAME_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            # The interface is down for a moment while it is being attached.
            return
        if len(queue) < QUEUE_LIMIT:
            queue.extend([(time.monotonic() + delay, frame)] * copies)


def send(tap, queue):
    now = time.monotonic()
    while queue and queue[0][0] <= now:
        try:
            os.write(tap, queue[0][1])
        except BlockingIOError:
            return
        except OSError:
            # Down: the frame is lost.
            pass
        queue.popleft()


main()
