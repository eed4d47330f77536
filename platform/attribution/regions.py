"""Where a caller's number is from, in the words of a visit's region (ISO 3166): a country, and where the number says it
a part of one. A mobile number names a country only. Pure.
"""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

#: Geographic codes of the Russian plan (the first three digits after +7) → subject of the federation.
_RUSSIA = {
    "RU-AD": "877", "RU-AL": "388", "RU-ALT": "385", "RU-AMU": "416", "RU-ARK": "818", "RU-AST": "851", "RU-BA": "347",
    "RU-BEL": "472", "RU-BRY": "483", "RU-BU": "301", "RU-CE": "871", "RU-CHE": "351", "RU-CHU": "427", "RU-CU": "835",
    "RU-DA": "872", "RU-IN": "873", "RU-IRK": "395", "RU-IVA": "493", "RU-KAM": "415", "RU-KB": "866", "RU-KC": "878",
    "RU-KDA": "861 862", "RU-KEM": "384", "RU-KGD": "401", "RU-KGN": "352", "RU-KHA": "421", "RU-KHM": "346",
    "RU-KIR": "833", "RU-KK": "390", "RU-KL": "847", "RU-KLU": "484", "RU-KO": "821", "RU-KOS": "494", "RU-KR": "814",
    "RU-KRS": "471", "RU-KYA": "391", "RU-LEN": "813", "RU-LIP": "474", "RU-MAG": "413", "RU-ME": "836", "RU-MO": "834",
    "RU-MOS": "496 498", "RU-MOW": "495 499", "RU-MUR": "815", "RU-NGR": "816", "RU-NIZ": "831", "RU-NVS": "383",
    "RU-OMS": "381", "RU-ORE": "353", "RU-ORL": "486", "RU-PER": "342", "RU-PNZ": "841", "RU-PRI": "423",
    "RU-PSK": "811", "RU-ROS": "863", "RU-RYA": "491", "RU-SA": "411", "RU-SAK": "424", "RU-SAM": "846 848",
    "RU-SAR": "845", "RU-SE": "867", "RU-SMO": "481", "RU-SPE": "812", "RU-STA": "865 879", "RU-SVE": "343",
    "RU-TA": "843 855", "RU-TAM": "475", "RU-TOM": "382", "RU-TUL": "487", "RU-TVE": "482", "RU-TY": "394",
    "RU-TYU": "345", "RU-ULY": "842", "RU-VGG": "844", "RU-VLA": "492", "RU-VLG": "817 820", "RU-VOR": "473",
    "RU-YAN": "349", "RU-YAR": "485", "RU-YEV": "426", "RU-ZAB": "302",
}  # fmt: skip
_BY_CODE = {code: region for region, codes in _RUSSIA.items() for code in codes.split()}


@lru_cache(maxsize=4096)
def region_of_number(e164: str | None) -> str | None:
    """A country such as RU, or a part of it such as RU-MOW; None: nobody can say."""
    if e164 is None:
        return None
    try:
        number = phonenumbers.parse(e164, None)
    except NumberParseException:
        return None
    country = phonenumbers.region_code_for_number(number)
    if country == "RU" and phonenumbers.number_type(number) is not PhoneNumberType.MOBILE:
        return _BY_CODE.get(e164[2:5], country)
    return country


def comparable(visit: str | None, caller: str | None) -> str | None:
    """The visit's region as far as it can be held against the caller's; None: the one says more than the other, and
    what both say is the same."""
    if visit is None or caller is None or visit == caller:
        return visit
    shorter, longer = sorted((visit, caller), key=len)
    return None if longer.startswith(shorter + "-") else visit
