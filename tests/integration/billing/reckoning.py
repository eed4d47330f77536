"""What calls cost, worked out once more: call by call in plain Decimal arithmetic. Shares nothing with the platform but
the numbers that it is given; a test holds the two against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

_MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "up": ROUND_CEILING, "down": ROUND_FLOOR}


@dataclass
class Payer:
    """One side's book and what is left of its packages. ``editions``: moment, places, rounding, rates (as dicts),
    packages (name → seconds or pieces)."""

    zone: str
    editions: Sequence[tuple[datetime, int, str, Sequence[dict[str, Any]], dict[str, int]]]
    used: dict[tuple[str, int, int], int] = field(default_factory=dict)

    def price(self, started_at: datetime, parts: Sequence[tuple[str, str, str, int]]) -> Decimal:
        """Of a call's parts (meter, direction, number, whole seconds or pieces), in their order."""
        valid = [edition for edition in self.editions if edition[0] <= started_at]
        if not valid:
            return Decimal(0)
        _, places, rounding, rates, packages = max(valid, key=lambda edition: edition[0])
        local = started_at.astimezone(ZoneInfo(self.zone))
        total = Decimal(0)
        for meter, direction, number, quantity in parts:
            fitting = [
                rate for rate in rates
                if rate["meter"] == meter and rate.get("direction", "") == direction
                and number.startswith(rate.get("prefix", ""))
            ]  # fmt: skip
            if fitting:
                rate = max(fitting, key=lambda rate: len(rate.get("prefix", "")))
                total += self._part(rate, meter, quantity, places, rounding, packages, (local.year, local.month))
        return total

    def _part(
        self, rate: dict[str, Any], meter: str, quantity: int, places: int, rounding: str, packages: dict[str, int],
        month: tuple[int, int],
    ) -> Decimal:  # fmt: skip
        units = quantity
        if meter == "minute":
            initial, step = rate.get("initial_s", 60), rate.get("increment_s", 60)
            units = initial
            while units < quantity:
                units += step
        free = 0
        if rate.get("package"):
            key = (rate["package"], *month)
            left = packages[rate["package"]] - self.used.get(key, 0)
            free = max(0, min(units, left))
            self.used[key] = self.used.get(key, 0) + free
        if units == free:
            return Decimal(0)
        with localcontext() as context:
            context.prec = 60
            amount = Decimal(rate["amount"]) * (units - free)
            if meter == "minute":
                amount /= 60
            amount += Decimal(rate.get("setup", "0"))
            rounded = amount.quantize(Decimal(1).scaleb(-places), rounding=_MODES[rounding])
        return max(rounded, Decimal(rate.get("minimum", "0")))
