"""What processes are given that nobody has set: keys that are made once and kept in the data folder."""

from __future__ import annotations

import os
import shutil

from .config import Settings, load_settings


def with_master_keys(settings: Settings) -> Settings:
    """The settings with what seals secrets, for a process that nobody has given it."""
    from .launch import master_keys

    os.environ["DIALTRACE_MASTER_KEYS"] = master_keys(settings)
    return load_settings()


def prepare_api(settings: Settings) -> None:
    """What the API's processes share: the key that signs cursors, and a folder where their metrics are joined."""
    from .launch import kept_secret, master_keys

    os.environ["DIALTRACE_SECRET_KEY"] = settings["DIALTRACE_SECRET_KEY"] or kept_secret(settings.data_dir)
    os.environ["DIALTRACE_MASTER_KEYS"] = master_keys(settings)
    if settings["DIALTRACE_API_WORKERS"] > 1:
        folder = settings.data_dir / "api-metrics"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
