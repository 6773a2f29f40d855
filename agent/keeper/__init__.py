"""The keeper: a small process beside the agent that stops fenced containers when the host's lease ran out.

It runs while the agent is stopped, hung or dead. It imports nothing of the agent, and nothing that is not in
the standard library, so that what breaks the agent does not break it. `python -m agent.keeper DIRECTORY`.
"""
