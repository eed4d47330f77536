"""How well a leg could be heard: ITU-T G.107 (the E-model) from loss and jitter. Pure.

The switch's own MOS is a share of good packets, begins at 4.50 and stays there when nothing came at all
(switch_rtp.c, do_mos); it is never shown. What is computed here is an estimate of what arrived from one side: the way's
delay is unknown to a switch without RTCP, so only its own part is in it.
"""

from __future__ import annotations

from typing import Final

#: R without any impairment, with the default values of G.107.
BEST_R: Final = 93.2
#: Equipment impairment and robustness to random loss with the concealment that telephones have (G.113, G.711 App. I).
_CODECS: Final = {"PCMU": (0.0, 25.1), "PCMA": (0.0, 25.1)}
_PACKET_MS: Final = 20.0
#: A jitter buffer holds about twice the jitter.
_BUFFERED_JITTERS: Final = 2.0


def r_factor(*, codec: str | None, loss_percent: float, jitter_ms: float | None) -> float | None:
    """R, 0 to 93.2, to one decimal; None for a codec whose impairments are not in the table.

    ``jitter_ms`` None: unknown, so that R speaks of loss alone.
    """
    known = _CODECS.get(codec or "")
    if known is None:
        return None
    impairment, robustness = known
    by_loss = impairment + (95.0 - impairment) * loss_percent / (loss_percent + robustness)
    delay_ms = _PACKET_MS + _BUFFERED_JITTERS * (jitter_ms or 0.0)
    return round(min(BEST_R, max(0.0, BEST_R - delay_impairment(delay_ms) - by_loss)), 1)


def delay_impairment(delay_ms: float) -> float:
    """Id of the E-model, simplified: `0.024 d + 0.11 (d - 177.3) H(d - 177.3)` (contracts/10, 7)."""
    return 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)


def mos_of(r: float) -> float:
    """The mean opinion score of an R (G.107, annex B), to two decimals."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return round(max(1.0, 1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)), 2)
