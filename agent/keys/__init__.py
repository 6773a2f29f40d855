"""This host's key material: the files it lives in, and the TLS contexts made from them.

No network here: listeners and clients take their contexts from `TlsIdentity`. What the bytes mean is
`cluster.identity`.
"""
