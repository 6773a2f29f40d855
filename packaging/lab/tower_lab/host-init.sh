#!/bin/sh
# First process of a host. Runs in fresh mount, PID and host-name namespaces, in the host's network namespace;
# makes what the host sees of the machine, then becomes an init that reaps. When it dies, the kernel ends every
# process of the host and drops every mount made here: a power cut, and nothing to clean up.
#
# usage: host-init.sh NAME STATE_DIR DATA_DIR
set -eu
name=$1 state=$2 data=$3

# /proc is still the machine's, so this is the pid and start time by which the machine knows this process.
# Field 2 is "(sh)", without spaces.
read -r line </proc/self/stat
set -- $line
printf '%s %s\n' "$1" "${22}" >"$state/init.new"
mv "$state/init.new" "$state/init.pid"

hosts=$(cat "$state/hosts")
mount -t proc proc /proc

# What comes from elsewhere is parked below the new /run first, because /run may hide where it came from.
parked=$state/run/.lab
mkdir -p "$parked/docker" "$parked/etc" "$parked/lib" "$parked/cgroup" "$parked/overlay" "$state/run/lock"
mount --bind "$data/docker" "$parked/docker"
mount --bind "$data/etc-control-tower" "$parked/etc"
mount --bind "$data/var-lib-control-tower" "$parked/lib"
mount --rbind /sys/fs/cgroup "$parked/cgroup"
umount -R -l /run/netns 2>/dev/null || true
# Empty at boot, like a real one, but for what is parked.
mount --rbind "$state/run" /run

# A sysfs of this network namespace, with the machine's control groups in it (ip netns exec loses them).
mount -t sysfs sysfs /sys
mount --rbind /run/.lab/cgroup /sys/fs/cgroup

# /etc and /var/lib are the machine's with changes of the host's own. The changes are in memory because an overlay
# cannot have them in a directory below its own lower one, nor on a container's root; what a host must keep over
# a power cut is bound in from its disk.
mount -t tmpfs -o size=64m tmpfs /run/.lab/overlay
for directory in /etc /var/lib; do
    changes=/run/.lab/overlay$directory
    mkdir -p "$changes" "$changes.work"
    mount -t overlay -o "lowerdir=$directory,upperdir=$changes,workdir=$changes.work" overlay "$directory"
done
mkdir -p /var/lib/docker /etc/control-tower /var/lib/control-tower
mount --bind /run/.lab/docker /var/lib/docker
mount --bind /run/.lab/etc /etc/control-tower
mount --bind /run/.lab/lib /var/lib/control-tower

printf '%s\n' "$name" >/proc/sys/kernel/hostname
# Names are written fresh: the machine's files may be links into its own /run.
rm -f /etc/hostname /etc/hosts /etc/resolv.conf
printf '%s\n' "$name" >/etc/hostname
printf '%s\n' "$hosts" >/etc/hosts
# Nothing answers there, so an unknown name fails at once. Elsewhere it would take a timeout: the kernel limits how
# often it says "port unreachable", except on the loopback.
echo 'nameserver 127.0.0.1' >/etc/resolv.conf

umount -R -l /run/.lab/cgroup /run/.lab/docker /run/.lab/etc /run/.lab/lib
: >/run/.lab/ready
# The arguments after `sh` do nothing; they name the host to whoever lists processes.
exec docker-init -- /bin/sh -c 'exec sleep infinity' lab-host "$name" "$state"
