"""N real Docker hosts on one Linux machine.

A host of the lab is a set of namespaces (network, mount, PID, host name) with a first process of its own, an
address on a bridge, and a Docker daemon inside. What runs in it sees one machine: its own processes, `/run`,
`/etc/hosts` and Docker socket. `Lab` makes, breaks and removes such hosts; `Host` runs programs in one.
"""
