"""What the rooms below call a mistake, in the API's codes. One table; an error that is not in it is our own mistake
and ends as `internal_error`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..admission.errors import BlockUnknown, CallerUnknown, OwnerUnknown
from ..admission.errors import ValueRefused as AdmissionValueRefused
from ..advice.errors import AdviceRefused
from ..archive.errors import ArchiveUnknown, MonthUnknown
from ..assessments.errors import ValueRefused as AssessmentValueRefused
from ..assessments.errors import VersionMismatch as AssessmentVersionMismatch
from ..attribution.errors import CallNotThere, CodeUnknown, ModelRefused, NoCodeFree
from ..attribution.errors import ValueRefused as AttributionValueRefused
from ..attribution.errors import VisitUnknown as AttributedVisitUnknown
from ..billing.errors import (
    AccountUnknown,
    BookUnknown,
    EditionUnknown,
    RatingUnknown,
    ReferenceTaken,
    StatementUnknown,
)
from ..billing.errors import FontMissing as BillingFontMissing
from ..billing.errors import ValueRefused as BillingValueRefused
from ..billing.errors import VersionMismatch as BillingVersionMismatch
from ..brands.errors import BrandChanged, DomainTaken
from ..brands.errors import ValueRefused as BrandValueRefused
from ..calls.errors import (
    AnswerUnfit,
    ClientNotFound,
    FlowFaulty,
    FlowNotFound,
    NodeUnknown,
    ScheduleFaulty,
    ScheduleInUse,
    ScheduleNotFound,
    TargetFaulty,
    TargetNotFound,
    VersionConflict,
)
from ..carriers.errors import (
    CarrierAway,
    CarrierNameTaken,
    CarrierRefuses,
    CarrierUnknown,
    ClientOfOrderUnknown,
    OrderNotOpen,
    OrderUnknown,
    ReturnOver,
    ReturnUnknown,
)
from ..carriers.errors import ValueRefused as CarrierValueRefused
from ..carriers.errors import VersionMismatch as CarrierVersionMismatch
from ..cdr.errors import CallUnknown
from ..documents.errors import DocumentFaulty
from ..errors import DialtraceError
from ..exports.errors import (
    ExportFileMissing,
    ExportScheduleUnknown,
    ExportTooLarge,
    ExportUnknown,
    ScheduleChanged,
)
from ..exports.errors import ValueRefused as ExportValueRefused
from ..integrations.errors import CallUnknown as ToldCallUnknown
from ..integrations.errors import DeliveryUnknown as EntryUnknown
from ..integrations.errors import IntegrationUnknown, TooManyIntegrations
from ..integrations.errors import NotWaiting as EntryUnderWay
from ..integrations.errors import OwnerUnknown as IntegrationOwnerUnknown
from ..integrations.errors import ValueRefused as IntegrationValueRefused
from ..integrations.errors import VersionMismatch as IntegrationVersionMismatch
from ..messages.errors import EventUnknown
from ..numbers.errors import (
    FlowUnknown,
    HolderUnknown,
    NumberLeaving,
    NumberReleased,
    NumberTaken,
    NumberUnknown,
    VersionMismatch,
)
from ..numbers.errors import ValueRefused as NumberValueRefused
from ..objectstore.errors import StoreRefuses, StoreUnavailable
from ..people.errors import (
    AgencyAmbiguous,
    CodeRequired,
    CodeWrong,
    EmailTaken,
    FactorMissing,
    LastOwner,
    LinkInvalid,
    PasswordsBusy,
    RoleInUse,
    RoleNameTaken,
    RoleUnknown,
    SessionUnknown,
    SignInRefused,
    TooManyTries,
    UserUnknown,
)
from ..people.errors import OwnerUnknown as PeopleOwnerUnknown
from ..people.errors import ValueRefused as PeopleValueRefused
from ..people.errors import VersionMismatch as PeopleVersionMismatch
from ..pool.errors import FlowUnknown as PoolFlowUnknown
from ..pool.errors import HolderUnknown as PoolHolderUnknown
from ..pool.errors import NumberNotFit, PoolClosed, PoolUnknown
from ..pool.errors import ValueRefused as PoolValueRefused
from ..pool.errors import VersionMismatch as PoolVersionMismatch
from ..privacy.errors import FileUnavailable, HoldUnknown, ReceiptUnknown, RequestUnknown
from ..privacy.errors import OwnerUnknown as PrivacyOwnerUnknown
from ..privacy.errors import ValueRefused as PrivacyValueRefused
from ..prompts.errors import LabelFaulty, PromptInUse, PromptUnknown, SoundFaulty
from ..recording.errors import (
    KeyDestroyed,
    KeyInUse,
    NoStoreOfItsOwn,
    RecordingAbsent,
    RecordingPending,
    RecordingUnknown,
    StoreSettingsFaulty,
)
from ..recording.errors import KeyUnknown as RecordingKeyUnknown
from ..reports.errors import LinkInvalid as ReportLinkInvalid
from ..reports.errors import (
    QuestionRefused,
    SettingsRefused,
    SpendRefused,
    SubscriptionChanged,
    SubscriptionRefused,
    SubscriptionUnknown,
)
from ..reports.errors import VersionMismatch as ReportVersionMismatch
from ..sites.errors import NoDraft, SiteFaulty, SiteUnknown, VisitUnknown
from ..sites.errors import OwnerUnknown as SiteOwnerUnknown
from ..sites.errors import VersionMismatch as SiteVersionMismatch
from ..tenancy.errors import AgencyUnknown, ClientUnknown, KeyOver, KeyUnknown, ValueRefused
from ..tenancy.errors import VersionMismatch as TenancyVersionMismatch
from ..trunks.errors import TrunkNameTaken, TrunkUnknown
from ..trunks.errors import ValueRefused as TrunkValueRefused
from ..trunks.errors import VersionMismatch as TrunkVersionMismatch
from ..webhooks.errors import DeliveryUnknown, NotWaiting, TooManyWebhooks, WebhookUnknown
from ..webhooks.errors import OwnerUnknown as WebhookOwnerUnknown
from ..webhooks.errors import ValueRefused as WebhookValueRefused
from ..webhooks.errors import VersionMismatch as WebhookVersionMismatch
from .errors import Fault, Problem
from .preconditions import tag_of

UNSTORED_RETRY_S = 5


class ValueFault(Protocol):
    """A room's refusal of one member of the body."""

    field: str
    reason: str


class Outdated(Protocol):
    """A room's word that somebody else was quicker, and the version that is there now."""

    current: Any


def _not_there(what: str) -> Callable[[Any], Problem]:
    return lambda _: Problem("not_found", f"There is no such {what}.")


def _faulty(prefix: str) -> Callable[[FlowFaulty | TargetFaulty | ScheduleFaulty | SiteFaulty], Problem]:
    """Faults with JSON pointers, below the member ``prefix`` of the body."""

    def problem(error: FlowFaulty | TargetFaulty | ScheduleFaulty | SiteFaulty) -> Problem:
        faults = [Fault(code=one.code, detail=one.message, pointer=f"#{prefix}{one.pointer}") for one in error.faults]
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        return Problem("validation_failed", f"The request has {count}; see errors.", faults=faults)

    return problem


def _unfit(error: AnswerUnfit) -> Problem:
    told = "is none of " + ", ".join(f"`{one}`" for one in error.offers)
    fault = Fault(code="not_a_choice", detail=told, pointer=f"#/answers/{error.place}")
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def _flow_unknown(_: FlowUnknown | PoolFlowUnknown) -> Problem:
    fault = Fault(code="unknown_flow", detail="the client has no such flow", pointer="#/flow_id")
    return Problem("not_found", "The client has no such flow.", faults=[fault])


def _refused(error: ValueFault) -> Problem:
    fault = Fault(code="invalid", detail=error.reason, pointer=f"#/{error.field}")
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def _question(error: QuestionRefused | AdviceRefused) -> Problem:
    fault = Fault(code="invalid", detail=error.reason, parameter=error.field)
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def _spend(error: SpendRefused) -> Problem:
    fault = Fault(code="invalid", detail=error.reason, pointer=f"#/rows/{error.place}/{error.field}".rstrip("/"))
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def _mismatch(error: Outdated) -> Problem:
    return Problem("version_mismatch", f"Meanwhile {error}.", headers={"ETag": tag_of(error.current)})


def _absent(error: RecordingAbsent) -> Problem:
    detail = "A recording was expected, and there is none; `reason` says why."
    return Problem("recording_absent", detail, members={"reason": error.reason})


def _pending(_: RecordingPending) -> Problem:
    detail = "The recording is on its way from the node. Ask again later."
    return Problem("recording_pending", detail, headers={"Retry-After": str(UNSTORED_RETRY_S)})


def _store_away(_: DialtraceError) -> Problem:
    detail = "The store of recordings does not answer. The same request may succeed after a moment."
    return Problem("temporarily_unavailable", detail, headers={"Retry-After": str(UNSTORED_RETRY_S)})


def _code_unknown(_: CodeUnknown) -> Problem:
    fault = Fault(code="unknown_code", detail=" ".join((CodeUnknown.__doc__ or "").split()), pointer="#/code")
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def _prompt(member: str) -> Callable[[DialtraceError], Problem]:
    """A sound or its label that cannot be kept."""

    def told(error: DialtraceError) -> Problem:
        fault = Fault(
            code="invalid", detail=str(error) or " ".join((type(error).__doc__ or "").split()), pointer=member
        )
        return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])

    return told


TABLE: dict[type[DialtraceError], Callable[[Any], Problem]] = {
    AgencyUnknown: _not_there("agency"),
    UserUnknown: _not_there("user"),
    RoleUnknown: _not_there("role"),
    PeopleOwnerUnknown: _not_there("client"),
    PeopleValueRefused: _refused,
    PeopleVersionMismatch: _mismatch,
    EmailTaken: lambda _: Problem("email_taken"),
    LastOwner: lambda _: Problem("last_owner"),
    RoleInUse: lambda _: Problem("role_in_use"),
    RoleNameTaken: lambda _: Problem("role_name_taken"),
    SessionUnknown: _not_there("session"),
    SignInRefused: lambda _: Problem("sign_in_refused"),
    CodeRequired: lambda _: Problem("code_required"),
    CodeWrong: lambda _: Problem("code_wrong"),
    FactorMissing: lambda _: Problem("factor_missing"),
    LinkInvalid: lambda _: Problem("link_invalid"),
    AgencyAmbiguous: lambda error: Problem("agency_ambiguous", members={"agencies": error.agencies}),
    TooManyTries: lambda error: Problem("too_many_tries", headers={"Retry-After": str(error.wait_s)}),
    PasswordsBusy: lambda _: Problem("passwords_busy", headers={"Retry-After": "2"}),
    DomainTaken: lambda _: Problem("domain_taken"),
    BrandChanged: _mismatch,
    BrandValueRefused: _refused,
    BlockUnknown: _not_there("entry on the block list"),
    CallerUnknown: _not_there("call, or its caller withheld the number"),
    CallNotThere: _not_there("call"),
    AttributedVisitUnknown: _not_there("visit"),
    CodeUnknown: _code_unknown,
    NoCodeFree: lambda _: Problem("no_code_free", headers={"Retry-After": "60"}),
    ModelRefused: lambda error: Problem("validation_failed", f"{error}."),
    AttributionValueRefused: _refused,
    OwnerUnknown: _not_there("client"),
    AdmissionValueRefused: _refused,
    PrivacyOwnerUnknown: _not_there("client"),
    PrivacyValueRefused: _refused,
    HoldUnknown: _not_there("legal hold"),
    RequestUnknown: _not_there("request"),
    ReceiptUnknown: _not_there("receipt"),
    FileUnavailable: lambda error: Problem("not_found", " ".join((error.__doc__ or "").split())),
    TrunkUnknown: _not_there("trunk"),
    TrunkNameTaken: lambda _: Problem("trunk_name_taken", "Another trunk has this name."),
    TrunkValueRefused: _refused,
    TrunkVersionMismatch: _mismatch,
    TenancyVersionMismatch: _mismatch,
    ClientUnknown: _not_there("client"),
    ClientNotFound: _not_there("client"),
    KeyUnknown: _not_there("key"),
    KeyOver: lambda _: Problem("key_over"),
    TargetNotFound: _not_there("target"),
    FlowNotFound: _not_there("flow"),
    ScheduleNotFound: _not_there("schedule"),
    NodeUnknown: _not_there("node"),
    CallUnknown: _not_there("call"),
    EventUnknown: _not_there("event"),
    RecordingUnknown: _not_there("recording"),
    RecordingAbsent: _absent,
    RecordingPending: _pending,
    KeyInUse: lambda error: Problem("recording_key_in_use", str(error)),
    RecordingKeyUnknown: _not_there("key"),
    NoStoreOfItsOwn: lambda _: Problem("not_found", "The agency has no store of its own."),
    StoreSettingsFaulty: _refused,
    KeyDestroyed: lambda _: Problem(
        "recording_absent", "The key of this recording was destroyed.", members={"reason": "key_destroyed"}
    ),
    FlowFaulty: _faulty("/document"),
    AnswerUnfit: _unfit,
    TargetFaulty: _faulty(""),
    ScheduleFaulty: _faulty(""),
    ScheduleInUse: lambda _: Problem("schedule_in_use"),
    ValueRefused: _refused,
    AssessmentValueRefused: _refused,
    QuestionRefused: _question,
    AdviceRefused: _question,
    SpendRefused: _spend,
    SettingsRefused: _refused,
    SubscriptionRefused: _refused,
    SubscriptionUnknown: _not_there("report subscription"),
    SubscriptionChanged: _mismatch,
    ReportLinkInvalid: lambda _: Problem("link_invalid"),
    ReportVersionMismatch: _mismatch,
    CarrierUnknown: _not_there("carrier"),
    CarrierNameTaken: lambda _: Problem("carrier_name_taken"),
    CarrierValueRefused: _refused,
    CarrierVersionMismatch: _mismatch,
    CarrierRefuses: lambda error: Problem("carrier_refuses", f"{error}."),
    CarrierAway: lambda error: Problem("carrier_away", f"{error}.", headers={"Retry-After": "10"}),
    OrderUnknown: _not_there("order"),
    ReturnUnknown: _not_there("number on its way back"),
    ReturnOver: lambda error: Problem("return_over", f"The number does not go back: {error}."),
    OrderNotOpen: lambda error: Problem("order_not_open", f"{error}."),
    ClientOfOrderUnknown: _not_there("client, or it has no such flow"),
    AssessmentVersionMismatch: _mismatch,
    VersionConflict: _mismatch,
    NumberUnknown: _not_there("number"),
    HolderUnknown: _not_there("client"),
    FlowUnknown: _flow_unknown,
    NumberLeaving: lambda _: Problem(
        "number_leaving", "Its carrier is being asked to take it back. Order it there again once it is there."
    ),
    NumberTaken: lambda _: Problem("number_taken", "The number is in use already."),
    PoolUnknown: _not_there("pool"),
    PoolHolderUnknown: _not_there("client"),
    PoolFlowUnknown: _flow_unknown,
    PoolClosed: lambda _: Problem("pool_closed"),
    NumberNotFit: lambda error: Problem("number_not_fit", f"{error}."),
    PoolValueRefused: _refused,
    PoolVersionMismatch: _mismatch,
    NumberReleased: lambda _: Problem("number_released", "The number was released. Add it again to use it."),
    NumberValueRefused: _refused,
    VersionMismatch: _mismatch,
    SiteUnknown: _not_there("site"),
    VisitUnknown: _not_there("visit"),
    SiteOwnerUnknown: _not_there("client"),
    SiteFaulty: _faulty(""),
    SiteVersionMismatch: _mismatch,
    NoDraft: lambda _: Problem("no_draft"),
    SoundFaulty: _prompt("#/audio"),
    LabelFaulty: _prompt("#/label"),
    PromptUnknown: _not_there("sound"),
    PromptInUse: lambda _: Problem("prompt_in_use"),
    WebhookUnknown: _not_there("webhook"),
    DeliveryUnknown: _not_there("delivery"),
    WebhookOwnerUnknown: _not_there("client"),
    TooManyWebhooks: lambda _: Problem("too_many_webhooks"),
    NotWaiting: lambda _: Problem("delivery_under_way"),
    WebhookValueRefused: _refused,
    WebhookVersionMismatch: _mismatch,
    IntegrationUnknown: _not_there("integration"),
    EntryUnknown: _not_there("delivery"),
    ToldCallUnknown: _not_there("call"),
    IntegrationOwnerUnknown: _not_there("client"),
    TooManyIntegrations: lambda _: Problem("too_many_integrations"),
    EntryUnderWay: lambda _: Problem("delivery_under_way"),
    IntegrationValueRefused: _refused,
    IntegrationVersionMismatch: _mismatch,
    ArchiveUnknown: lambda error: Problem("not_found", f"There is no such part of the archive: {error}."),
    MonthUnknown: lambda error: Problem("not_found", f"There is no such month: {error}"),
    DocumentFaulty: lambda error: Problem(
        "validation_failed",
        "The request has 1 fault; see errors.",
        faults=[Fault(code="invalid", detail=error.reason, pointer=f"#{error.pointer}")],
    ),
    BookUnknown: _not_there("price book"),
    EditionUnknown: _not_there("edition of the price book"),
    AccountUnknown: lambda _: Problem("not_found", "There is no billing account: open one first."),
    StatementUnknown: lambda _: Problem("not_found", "There is no statement of that month."),
    RatingUnknown: _not_there("rating"),
    ReferenceTaken: lambda _: Problem("reference_taken"),
    BillingValueRefused: _refused,
    BillingVersionMismatch: _mismatch,
    BillingFontMissing: lambda error: Problem("temporarily_unavailable", f"{error}"),
    ExportUnknown: _not_there("export"),
    ExportScheduleUnknown: _not_there("export schedule"),
    ExportFileMissing: lambda error: Problem("not_found", f"There is no such file: {error}"),
    ExportTooLarge: lambda error: Problem("export_too_large", f"{error}. Let a job make the file: POST /v1/exports."),
    ExportValueRefused: _refused,
    ScheduleChanged: _mismatch,
    StoreUnavailable: _store_away,
    StoreRefuses: _store_away,
}


def problem_of(error: DialtraceError) -> Problem | None:
    """The problem that an error of a room means to whoever asked; None when it is our own fault."""
    for kind in type(error).__mro__:
        if issubclass(kind, DialtraceError) and kind in TABLE:
            return TABLE[kind](error)
    return None
