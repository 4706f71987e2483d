#!/bin/sh
# Makes a folder the root of this namespace, and starts systemd as its first process: enter.sh FOLDER.
set -eu
fs=$1

ip link set lo up
mount --make-rprivate /
mount --bind "$fs" "$fs"
mount -t proc proc "$fs/proc"
mount -t sysfs sysfs "$fs/sys"
mount -t tmpfs tmpfs "$fs/run"
mount -t tmpfs tmpfs "$fs/tmp"
# The parts of /dev that PrivateDevices= copies.
mount -t tmpfs tmpfs "$fs/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$fs/dev/"
mkdir "$fs/dev/shm" "$fs/dev/pts" "$fs/dev/mqueue" "$fs/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$fs/dev/pts"
ln -s pts/ptmx "$fs/dev/ptmx"
ln -s /proc/self/fd "$fs/dev/fd"
mount -t cgroup2 cgroup2 "$fs/sys/fs/cgroup"

mkdir -p "$fs/old"
cd "$fs"
pivot_root . old
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    chroot . /bin/sh -c 'umount -l /old && exec /lib/systemd/systemd --log-target=console'
