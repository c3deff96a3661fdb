# Holds a process as a debugger does, without stopping it, until it is ended.
import ctypes
import sys
import time

PTRACE_SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, None) != 0:
    sys.exit(f'ptrace: {ctypes.get_errno()}')
print('tracing', flush=True)
time.sleep(1000)
