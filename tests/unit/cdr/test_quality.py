"""The E-model's figures against known values, and loss from the switch's counters against streams of known loss."""

import pytest

from dialtrace.cdr.fields import Fields
from dialtrace.cdr.media import Heard, read_media
from dialtrace.cdr.quality import delay_impairment, mos_of, r_factor


@pytest.mark.parametrize(
    ("r", "mos"), [(93.2, 4.41), (80, 4.02), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1.0), (-5, 1.0)]
)
def test_given_an_r_when_scoring_then_the_mos_is_that_of_g107(r: float, mos: float) -> None:
    assert mos_of(r) == mos


def test_given_the_worked_example_of_the_conventions_when_computing_then_r_and_mos_are_its() -> None:
    """G.711 with concealment, 5 % random loss, 100 ms: Id 2.4, Ie,eff 15.78, R 75.02, MOS 3.82 (contracts/10, 7)."""
    assert delay_impairment(100) == pytest.approx(2.4)
    # 20 ms of a packet, and twice 40 ms of jitter.
    assert r_factor(codec="PCMU", loss_percent=5.0, jitter_ms=40.0) == 75.0
    assert mos_of(75.02) == 3.82


def test_given_a_codec_that_is_in_no_table_when_computing_then_nothing_is_claimed() -> None:
    assert r_factor(codec="OPUS", loss_percent=0.0, jitter_ms=1.0) is None
    assert r_factor(codec=None, loss_percent=0.0, jitter_ms=1.0) is None


@pytest.mark.parametrize("loss", [0.0, 0.5, 3.0, 20.0, 100.0])
def test_given_any_loss_when_scoring_then_never_better_than_without(loss: float) -> None:
    r = r_factor(codec="PCMA", loss_percent=loss, jitter_ms=None)
    assert r is not None
    assert 0 <= r <= 92.7
    assert 1.0 <= mos_of(r) <= 4.41


def heard(
    *, packets: int, skip: int, flaws: int, rate: float, repeated: tuple[int, ...] = (), variance: float = 40
) -> Heard:
    inbound = {"jitter_loss_rate": rate, "flaw_total": flaws}
    if repeated:
        inbound["errorLog"] = [{"consecutiveFlaws": one} for one in repeated]
    told = {
        "in_packet_count": packets, "in_media_packet_count": packets, "in_skip_packet_count": skip, "in_mos": "4.50",
        "in_jitter_max_variance": variance, "in_flaw_total": flaws, "in_jitter_loss_rate": f"{rate:.2f}",
        "out_media_packet_count": 600,
    }  # fmt: skip
    variables = {f"rtp_audio_{name}": str(value) for name, value in told.items()}
    return read_media(Fields({"variables": variables, "callStats": {"audio": {"inbound": inbound}}}), "PCMU")


# What FreeSWITCH 1.10.12 counted of streams whose true loss was known: (counters, true loss in percent).
MEASURED = {
    "none": ({"packets": 309, "skip": 4, "flaws": 0, "rate": 0.0}, 0.0),
    "every 20th": ({"packets": 578, "skip": 33, "flaws": 87, "rate": 0.0523, "repeated": (29,)}, 5.0),
    "every 20th, short": ({"packets": 151, "skip": 12, "flaws": 21, "rate": 0.0, "repeated": (7,)}, 5.0),
    "random 1 %": ({"packets": 603, "skip": 10, "flaws": 15, "rate": 0.0082, "repeated": (1, 3, 1)}, 1.0),
    "random 5 %": ({"packets": 574, "skip": 39, "flaws": 90, "rate": 0.06223, "repeated": (29,)}, 5.7),
    "random 20 %": ({"packets": 501, "skip": 108, "flaws": 272, "rate": 0.24515, "repeated": (77,)}, 17.9),
    "five in a hundred, together": ({"packets": 578, "skip": 35, "flaws": 45, "rate": 0.05353, "repeated": (7,)}, 5.0),
    "200 together": ({"packets": 407, "skip": 205, "flaws": 3, "rate": 0.6161, "repeated": (1,)}, 33.0),
    "a pause of 4 s": ({"packets": 409, "skip": 204, "flaws": 8, "rate": 0.0}, 0.0),
    "two pauses": ({"packets": 359, "skip": 354, "flaws": 34, "rate": 0.0, "repeated": (44,)}, 0.0),
    "ends after 3 s": ({"packets": 145, "skip": 318, "flaws": 19, "rate": 0.0}, 0.0),
    "out of order": ({"packets": 505, "skip": 7, "flaws": 221, "rate": 0.1508, "repeated": (61,)}, 0.6),
}  # fmt: skip


@pytest.mark.parametrize("stream", MEASURED)
def test_given_what_the_switch_counted_when_estimating_then_loss_is_near_the_true_one(stream: str) -> None:
    counters, true_percent = MEASURED[stream]

    found = heard(**counters)

    assert found.loss_percent == pytest.approx(true_percent, abs=1.0)
    assert found.counts["packets_lost"] <= counters["skip"]


def test_given_pauses_when_estimating_then_no_jitter_is_made_of_them() -> None:
    found = heard(packets=409, skip=204, flaws=8, rate=0.0, variance=124_984)

    assert found.jitter_ms is None
    assert found.mos == 4.4


def test_given_no_packets_at_all_when_reading_then_the_switchs_best_score_is_not_repeated() -> None:
    found = heard(packets=0, skip=500, flaws=0, rate=0.0)

    assert (found.mos, found.r_factor, found.loss_percent) == (None, None, None)
    assert found.counts["no_audio_in"] is True
    assert "mos" not in found.counts


def test_given_a_handful_of_packets_when_reading_then_nothing_is_judged() -> None:
    found = heard(packets=24, skip=2, flaws=0, rate=0.0)

    assert (found.mos, found.loss_percent) == (None, None)
    assert found.counts["media_packets_in"] == 24


@pytest.mark.parametrize("nonsense", [-5, 1e300, "Infinity", "x" * 40, None])
def test_given_nonsense_in_the_counters_when_reading_then_no_figure_comes_of_it(nonsense: object) -> None:
    names = (
        "in_packet_count",
        "in_media_packet_count",
        "in_skip_packet_count",
        "in_flaw_total",
        "in_jitter_max_variance",
    )
    for name in names:
        told = dict.fromkeys(names, "100") | {name: nonsense}
        variables = {f"rtp_audio_{key}": value for key, value in told.items()}
        stats = {"audio": {"inbound": {"jitter_loss_rate": nonsense, "flaw_total": nonsense, "errorLog": [nonsense]}}}
        found = read_media(Fields({"variables": variables, "callStats": stats}), "PCMU")
        assert found.loss_percent is None or 0 <= found.loss_percent <= 100
        assert found.mos is None or 1 <= found.mos <= 4.41
