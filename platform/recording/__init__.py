"""Recordings: the ledger that says where each one is, and bringing them home from a node."""
