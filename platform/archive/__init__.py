"""Months of records whose time in the database is over: they go to the object store, whole or not at all."""
