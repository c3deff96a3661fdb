#!/bin/bash
# Plain CRIU as people use it. Dump and restore print when CRIU begins and when it has ended, in
# seconds since the epoch, a line each. A cell is a PID and a mount namespace, so that the process finds its PID free anywhere.
#
#   criuCell.sh launch COMMAND…              starts a program in a cell; prints its PID in there
#   criuCell.sh dump PID IMAGES [OPTION…]    inside the cell
#   criuCell.sh restore IMAGES [OPTION…]     makes a cell and restores into it
set -euo pipefail
action=$1
shift
case $action in
  launch | restore)
    exec unshare --pid --mount --fork --kill-child --mount-proc --propagation private \
      -- /bin/bash "$0" "inside-$action" "$@"
    ;;
  inside-launch)
    # CRIU itself gets the lowest PIDs when it restores: ours must not be among them.
    echo 300 >/proc/sys/kernel/ns_last_pid
    # Opened in this mount namespace: CRIU knows no file of another one.
    setsid "$@" </dev/null >/dev/null 2>&1 &
    echo $!
    exec >/dev/null 2>&1
    # Stays when the process is gone: CRIU is still at work in here after a dump.
    exec sleep infinity
    ;;
  dump)
    pid=$1 images=$2
    shift 2
    echo "$EPOCHREALTIME"
    criu dump -t "$pid" -D "$images" -o dump.log --manage-cgroups=ignore "$@" </dev/null
    echo "$EPOCHREALTIME"
    ;;
  inside-restore)
    images=$1
    shift
    echo "$EPOCHREALTIME"
    criu restore -d -D "$images" -o restore.log --manage-cgroups=ignore "$@" </dev/null
    echo "$EPOCHREALTIME"
    exec sleep infinity >/dev/null 2>&1
    ;;
esac
