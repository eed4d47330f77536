"""The journal of calls that began on a node: what the monitor writes and the agent clears."""
