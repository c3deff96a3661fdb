#!/bin/sh
# Runs a command in a device's cgroup: `enter.sh CGROUP_OR_EMPTY COMMAND…`. A process entered from
# outside would else show a cgroup outside of the device's own hierarchy.
cgroup=$1
shift
[ -z "$cgroup" ] || echo $$ >"$cgroup/cgroup.procs"
exec "$@"
