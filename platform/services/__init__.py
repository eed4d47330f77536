"""Builds connections and wires the rooms: the only place where they meet their database and object store.

A module for each kind of process, so that none imports what only another one needs: a platform starts a dozen of them,
and all of everything took each three seconds of a slow processor.
"""
