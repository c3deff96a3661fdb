#!/bin/bash
# Starts a test device and becomes its PID 1. Run in two stages: `boot.sh start DEVICE_FOLDER`
# makes the namespaces and starts the second stage, `boot.sh inside DEVICE_FOLDER`, in them.
#
# DEVICE_FOLDER is on a real file system, since an overlay cannot carry another one's upper layer:
#   upper/ work/    the device's writable layer over this machine's files
#   homes/ superuser/ data/   mounted at /home, /root and /var/lib/flick-lab
#   seed/           copied into the layer at the first boot
#   boot_id         what the device says its boot id is
#
# Environment: LAB_NAME, LAB_CGROUP (the device's own cgroup v2, or empty), LAB_CGROUP_MOUNT (where
# this machine has cgroup v2), LAB_CLONE (the clone, shown read-only at /opt/flick-lab/clone wherever it
# lies on this machine).
set -euo pipefail
stage=$1 folder=$2

if [ "$stage" = start ]; then
  # Before the cgroup namespace is made: its root is the cgroup that its maker is in.
  [ -z "$LAB_CGROUP" ] || echo $$ >"$LAB_CGROUP/cgroup.procs"
  exec unshare --net --pid --mount --uts --ipc --cgroup --fork --kill-child --propagation private \
    -- /bin/bash "$0" inside "$folder"
fi

root=$folder/mount
mkdir -p "$root"
layers=lowerdir=/,upperdir=$folder/upper,workdir=$folder/work
for attempt in 1 2 3 4 5; do
  # With index and nfs_export an inotify watch can be dumped, as on a real root file system. After
  # a power cut the layer stays in use until the kernel has let go of the dead device's mounts.
  if mount -t overlay -o "$layers,index=on,nfs_export=on" overlay "$root" 2>/dev/null; then break; fi
  if [ "$attempt" = 5 ]; then mount -t overlay -o "$layers" overlay "$root"; fi
  sleep 0.2
done

if [ -d "$folder/seed" ]; then
  cp -a "$folder/seed/." "$root/"
  mkdir -p "$root/var/lib/flick-lab" "$root/opt/flick-lab/clone"
  rm -r "$folder/seed"
fi

mount --bind "$folder/homes" "$root/home"
mount --bind "$folder/superuser" "$root/root"
mount --bind "$folder/data" "$root/var/lib/flick-lab"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mkdir -p "$root/run/sshd" "$root/run/lock"
mount --bind "$LAB_CLONE" "$root/opt/flick-lab/clone"
mount -o remount,bind,ro "$root/opt/flick-lab/clone"

mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
make_device() { mknod -m "$2" "$root/dev/$1" c "$3" "$4"; }
make_device null 666 1 3
make_device zero 666 1 5
make_device full 666 1 7
make_device random 666 1 8
make_device urandom 666 1 9
make_device tty 666 5 0
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net" "$root/dev/.lab-proc"
make_device net/tun 666 10 200
make_device fuse 666 10 229
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# A user namespace may mount /proc only where its maker sees one with nothing mounted over parts of
# it (mount_too_revealing in fs/namespace.c); the boot id below covers a part of the first one.
mount -t proc -o nosuid,nodev,noexec proc "$root/dev/.lab-proc"
mount --bind "$folder/boot_id" "$root/proc/sys/kernel/random/boot_id"
mount -o remount,bind,ro "$root/proc/sys/kernel/random/boot_id"

mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
if [ -n "$LAB_CGROUP" ]; then
  if [ "$LAB_CGROUP_MOUNT" != /sys/fs/cgroup ]; then
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    mkdir -p "$root$LAB_CGROUP_MOUNT"
  fi
  mount -t cgroup2 cgroup2 "$root$LAB_CGROUP_MOUNT"
fi

hostname "$LAB_NAME"
ip link set lo up

cd "$root"
# The old root is stacked under the new one and taken off, see pivot_root(2), NOTES.
pivot_root . .
umount --lazy .
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /usr/bin/python3 -I /usr/local/lib/flick-lab/init.py "$folder" </dev/null
