"""Facts and figures of the host, read from /proc, /sys and the cgroup files."""
