"""Every system that can be integrated, by name. A new one is a folder and a line here
(docs/howto/new-integration.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from .amocrm.deeds import AMOCRM
from .bitrix24.deeds import BITRIX24
from .ga4.deeds import GA4
from .google_ads.deeds import GOOGLE_ADS
from .meta.deeds import META
from .metrica.deeds import METRICA
from .model import System
from .telegram.deeds import TELEGRAM

SYSTEMS: Mapping[str, System] = {one.name: one for one in (AMOCRM, BITRIX24, GA4, GOOGLE_ADS, META, METRICA, TELEGRAM)}
