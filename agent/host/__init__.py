"""Facts and figures of the host, read from /proc, /sys and a few files of /etc.

`parse` is pure and takes text; `addresses` chooses among the host's addresses; `probe` reads;
`service_manager` talks to systemd.
"""
