#!/bin/sh
# First process of a host. Runs in fresh mount, PID and host-name namespaces, in the host's network namespace;
# makes what the host sees of the machine, then becomes an init that reaps. When it dies, the kernel ends every
# process of the host and drops every mount made here: a power cut, and nothing to clean up.
#
# usage: host-init.sh NAME MACHINE_ID STATE_DIR DATA_DIR
set -eu
name=$1 machine_id=$2 state=$3 data=$4

# /proc is still the machine's, so this is the pid and start time by which the machine knows this process.
# Field 2 is "(sh)", without spaces.
read -r line </proc/self/stat
# shellcheck disable=SC2086  # a list of words
set -- $line
printf '%s %s\n' "$1" "${22}" >"$state/init.new"
mv "$state/init.new" "$state/init.pid"

hosts=$(cat "$state/hosts")
mount -t proc proc /proc

# What the host keeps over a power cut: each directory of its disk, and where it is seen.
disk='docker:/var/lib/docker docker-etc:/etc/docker agent:/var/lib/control-tower agent-etc:/etc/control-tower'

# What comes from elsewhere is parked below the new /run first, because /run may hide where it came from.
parked=$state/run/.lab
mkdir -p "$parked/cgroup" "$parked/overlay" "$state/run/lock"
mount --rbind /sys/fs/cgroup "$parked/cgroup"
for each in $disk; do
    mkdir -p "$parked/${each%%:*}"
    mount --bind "$data/${each%%:*}" "$parked/${each%%:*}"
done
umount -R -l /run/netns 2>/dev/null || true
# Empty at boot, like a real one, but for what is parked.
mount --rbind "$state/run" /run

# /run itself may be on a disk here; what is secret must be in memory, as on any host with systemd.
mkdir -m 755 /run/control-tower
mount -t tmpfs -o size=64m,mode=755 tmpfs /run/control-tower

# A sysfs of this network namespace, with the machine's control groups in it (ip netns exec loses them).
mount -t sysfs sysfs /sys
mount --rbind /run/.lab/cgroup /sys/fs/cgroup
umount -R -l /run/.lab/cgroup

# /etc and /var/lib are the machine's with changes of the host's own. The changes are in memory because an overlay
# cannot have them in a directory below its own lower one, nor on a container's root; what a host must keep is
# bound in from its disk.
mount -t tmpfs -o size=64m tmpfs /run/.lab/overlay
for directory in /etc /var/lib; do
    changes=/run/.lab/overlay$directory
    mkdir -p "$changes" "$changes.work"
    mount -t overlay -o "lowerdir=$directory,upperdir=$changes,workdir=$changes.work" overlay "$directory"
done
for each in $disk; do
    mkdir -p "${each#*:}"
    mount --bind "/run/.lab/${each%%:*}" "${each#*:}"
    umount "/run/.lab/${each%%:*}"
done

printf '%s\n' "$name" >/proc/sys/kernel/hostname
# Written fresh: the machine's files may be links into its own /run.
rm -f /etc/hostname /etc/hosts /etc/resolv.conf /etc/machine-id
printf '%s\n' "$name" >/etc/hostname
printf '%s\n' "$machine_id" >/etc/machine-id
printf '%s\n' "$hosts" >/etc/hosts
# Nothing answers there, so an unknown name fails at once. Elsewhere it would take a timeout: the kernel limits how
# often it says "port unreachable", except on the loopback.
echo 'nameserver 127.0.0.1' >/etc/resolv.conf

: >/run/.lab/ready
# The arguments after `sh` do nothing; they name the host to whoever lists processes.
exec docker-init -- /bin/sh -c 'exec sleep infinity' lab-host "$name" "$state"
