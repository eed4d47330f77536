"""Parts of a call's answer: how it sounded, who vouches for the caller, what it cost. For calls and legs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..billing.service import Margin
from ..cdr.model import Call, Leg
from .fields import Answer


class MediaAnswer(Answer):
    """What came from one side, as the node counted it: RTP packets, and an estimate of how it sounded."""

    packets_received: Annotated[int, Field(description="With sound; digits and comfort noise apart.", examples=[823])]
    packets_sent: Annotated[int, Field(examples=[826])]
    packets_lost: Annotated[
        int | None,
        Field(
            description="Missing by sequence number, at most the moments without a packet. null: too few to judge.",
            examples=[4],
        ),
    ]
    loss_percent: Annotated[float | None, Field(examples=[0.48])]
    jitter_ms: Annotated[
        float | None,
        Field(
            description="Highest standard deviation of the gaps between packets. null: pauses are in it.",
            examples=[3.1],
        ),
    ]
    r_factor: Annotated[
        float | None,
        Field(description="R of ITU-T G.107 (E-model), 0 to 93.2, from loss and, if known, jitter.", examples=[90.5]),
    ]
    mos: Annotated[float | None, Field(description="The MOS of that R, 1 to 4.41.", examples=[4.35])]
    estimated_from: Annotated[
        Literal["loss and jitter", "loss"] | None,
        Field(description="What R and MOS speak of; null without them.", examples=["loss and jitter"]),
    ]
    no_audio_in: Annotated[
        bool,
        Field(description="Sound was sent to this side and none came back: there is no MOS then.", examples=[False]),
    ]


class AttestationAnswer(Answer):
    """STIR/SHAKEN: the caller's right to the number, and who vouches for it."""

    level: Annotated[
        Literal["A", "B", "C"] | None, Field(description="Of a signature that was verified and good.", examples=["A"])
    ]
    verstat: Annotated[
        str | None,
        Field(
            description="TN-Validation-Passed, TN-Validation-Failed or No-TN-Validation; null: nobody verified.",
            examples=["TN-Validation-Passed"],
        ),
    ]
    verified_by: Annotated[
        Literal["switch", "edge"] | None, Field(description="Who verified the signature.", examples=["edge"])
    ]
    claimed: Annotated[
        Literal["A", "B", "C"] | None,
        Field(
            description="What an Identity or P-Attestation-Indicator header says; nobody checked it.", examples=["A"]
        ),
    ]


class CostAnswer(Answer):
    """What a call costs its client."""

    amount: Annotated[str, Field(description="A decimal.", examples=["0.042000"])]
    currency: Annotated[str, Field(description="ISO 4217.", examples=["USD"])]
    revision: Annotated[int, Field(description="The revision of the record that was priced.", examples=[1])]
    agency_cost: Annotated[
        str | None, Field(description="What it costs the agency; null for a client's key.", examples=["0.030000"])
    ]
    margin: Annotated[
        str | None,
        Field(description="What is left to the agency; null: unknown, or in two currencies.", examples=["0.012000"]),
    ]


def show_attestation(call: Call) -> AttestationAnswer | None:
    """null where neither the carrier nor anybody else said anything."""
    claimed = call.facts.get("attestation_claimed")
    if call.verstat is None and claimed is None:
        return None
    told = {"level": call.attestation, "verstat": call.verstat, "verified_by": call.attested_by, "claimed": claimed}
    return AttestationAnswer.model_validate(told)


def show_cost(call: Call, margin: Margin | None) -> CostAnswer | None:
    if call.cost is None or call.cost_currency is None or call.cost_revision is None:
        return None
    return CostAnswer(
        amount=str(call.cost),
        currency=call.cost_currency,
        revision=call.cost_revision,
        agency_cost=str(margin.cost) if margin is not None else None,
        margin=str(margin.margin) if margin is not None and margin.margin is not None else None,
    )


def show_media(of: Call | Leg) -> MediaAnswer | None:
    media = of.facts.get("media")
    if not media:
        return None
    return MediaAnswer(
        packets_received=media.get("media_packets_in", 0),
        packets_sent=media.get("media_packets_out", 0),
        packets_lost=media.get("packets_lost"),
        loss_percent=of.loss_percent,
        jitter_ms=of.jitter_ms,
        r_factor=of.r_factor,
        mos=of.mos,
        estimated_from=None if of.mos is None else "loss" if of.jitter_ms is None else "loss and jitter",
        no_audio_in=media.get("no_audio_in", False),
    )
