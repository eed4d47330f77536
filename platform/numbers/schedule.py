"""When each number is to be proven: spread over the day by the number alone, so that every machine and every restart
comes to the same moments. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from .model import InService, LastProof

DAY_S = 86_400


def last_slot(e164: str, per_day: int, now: datetime) -> datetime:
    """The number's latest moment not after ``now``; there are ``per_day`` of them in each day (UTC), equally apart."""
    period_s = DAY_S / per_day
    share = int.from_bytes(hashlib.sha256(e164.encode()).digest()[:8], "big") / 2**64
    offset_s = share * period_s
    periods = (now.timestamp() - offset_s) // period_s
    return datetime.fromtimestamp(offset_s + periods * period_s, UTC)


def due_numbers(
    numbers: Sequence[InService],
    last: Mapping[UUID, LastProof],
    *,
    per_day: int,
    now: datetime,
    since: datetime,
) -> list[InService]:
    """Numbers that were not tried since their last moment, the one that waits longest first. One that was never tried
    waits for its first moment after ``since``: a new installation does not prove everything at once."""
    found = []
    for number in numbers:
        slot = last_slot(number.e164, per_day, now)
        before = last.get(number.number_id)
        if (before.tried_at if before else since) < slot:
            found.append((slot, number.e164, number))
    return [number for _, _, number in sorted(found, key=lambda one: one[:2])]


def oldest_proof_s(numbers: Sequence[InService], last: Mapping[UUID, LastProof], now: datetime) -> float:
    """Age of the proof that is oldest among those that there are; 0 where there is none."""
    moments = [proof.proven_at for number in numbers if (proof := last.get(number.number_id)) and proof.proven_at]
    return (now - min(moments)).total_seconds() if moments else 0.0


def never_proven(numbers: Sequence[InService], last: Mapping[UUID, LastProof]) -> int:
    """How many numbers no test call has reached as it should."""
    return sum(1 for number in numbers if not (proof := last.get(number.number_id)) or proof.proven_at is None)
