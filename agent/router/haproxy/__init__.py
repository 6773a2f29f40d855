"""HAProxy as this host's router: an owned process, driven over its sockets.

`render`, `slots`, `stats` and `accounting` are pure; `runtime` talks, `process` keeps the program alive,
`router` is the driver.
"""
