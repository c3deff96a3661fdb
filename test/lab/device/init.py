"""PID 1 of a test device: starts sshd and reaps what is left behind, until the power is cut.

Its argument, the device's folder on the machine, only marks the process for the lab.
"""

import os
import signal
import subprocess

os.setsid()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
with open("/var/log/sshd.log", "ab") as log:
    subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config.lab"],
        stderr=log,
        # The mask is inherited over exec, and sshd waits for its children by this signal.
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD}),
    )

while True:
    signal.sigwait({signal.SIGCHLD})
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass
