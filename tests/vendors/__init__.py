"""Stand-ins for other people's systems: real HTTP servers on loopback that behave as their contracts say.

For whoever writes an integration: start one, point the integration's address at it, and tell it how to misbehave
(`misbehave`). Each keeps what it was told (`requests`, and objects of its own), so a test asks the other side what it
has instead of asking us what we sent.
"""
