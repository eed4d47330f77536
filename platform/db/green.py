"""Makes the database driver yield in gevent processes. Called by `__main__` right after monkey patching."""

from psycogreen.gevent import patch_psycopg

__all__ = ["patch_psycopg"]
