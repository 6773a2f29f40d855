"""Who is who: node certificates, join tokens, people's passwords, sessions and API tokens.

Pure: keys, time and randomness are passed in. Files and TLS contexts are `agent.keys`; what is stored
where is decided by the commands. Every check returns a value or a `Refused` with a code for programs
and a reason for people.
"""
