#!/bin/bash
# A place in which Podman runs: `podmanRoot.sh ROOT STATE`. Prints "ready" and stays until it is
# killed; its processes and mounts go with it. Enter it with `nsenter -m -p`.
#
#   ROOT    a Debian with Podman; read-only, shared by all places
#   STATE   a folder on a real file system, since an overlay cannot carry another one's upper layer:
#           upper/ work/ its changes, containers/ Podman's storage, share/ files in and out
set -euo pipefail
if [ "${3:-}" != inside ]; then
  mkdir -p "$2"/{upper,work,mount,containers,share}
  exec unshare --pid --mount --fork --kill-child --propagation private \
    -- /bin/bash "$0" "$1" "$2" inside
fi
root=$2/mount
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$root"
mkdir -p "$root/var/lib/containers" "$root/share"
mount --bind "$2/containers" "$root/var/lib/containers"
mount --bind "$2/share" "$root/share"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
for each in sys dev; do mount --rbind "/$each" "$root/$each"; done
cd "$root"
# The old root is stacked under the new one and taken off, see pivot_root(2), NOTES.
pivot_root . .
umount --lazy .
echo ready
# Reaps what the containers' monitors leave behind.
while :; do sleep 3600 & wait -n; done
