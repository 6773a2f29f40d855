"""The Docker Engine of this host; the only importer of aiodocker.

`engine` asks and translates failures, `inspect`, `render`, `log_frames`, `references` and
`failures` are pure, `watcher` keeps the inventory of the host current.
"""
