"""HAProxy as this host's router: an owned process, driven over its sockets.

`render`, `maps`, `slots`, `stats` and `accounting` are pure. `runtime` talks, `process` keeps the program
alive, `configuration` its files and `certificates`, `switching` changes one server, `counting` and
`request_log` read what passed through, `ramp` starts slowly, `router` is the driver.
"""
