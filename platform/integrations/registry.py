"""Every system that can be integrated, by name. A new one is a folder and a line here
(docs/howto/new-integration.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from .bitrix24.deeds import BITRIX24
from .ga4.deeds import GA4
from .model import System
from .telegram.deeds import TELEGRAM

SYSTEMS: Mapping[str, System] = {one.name: one for one in (BITRIX24, GA4, TELEGRAM)}
