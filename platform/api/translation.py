"""What the rooms below call a mistake, in the API's codes. One table; an error that is not in it is our own mistake
and ends as `internal_error`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from .refusals import (
    absent,
    code_unknown,
    faulty,
    flow_unknown,
    mismatch,
    not_there,
    pending,
    prompt,
    question,
    refused,
    spend,
    store_away,
    unfit,
)

TABLE: dict[type[DialtraceError], Callable[[Any], Problem]] = {
    AgencyUnknown: not_there("agency"),
    UserUnknown: not_there("user"),
    RoleUnknown: not_there("role"),
    PeopleOwnerUnknown: not_there("client"),
    PeopleValueRefused: refused,
    PeopleVersionMismatch: mismatch,
    EmailTaken: lambda _: Problem("email_taken"),
    LastOwner: lambda _: Problem("last_owner"),
    RoleInUse: lambda _: Problem("role_in_use"),
    RoleNameTaken: lambda _: Problem("role_name_taken"),
    SessionUnknown: not_there("session"),
    SignInRefused: lambda _: Problem("sign_in_refused"),
    CodeRequired: lambda _: Problem("code_required"),
    CodeWrong: lambda _: Problem("code_wrong"),
    FactorMissing: lambda _: Problem("factor_missing"),
    LinkInvalid: lambda _: Problem("link_invalid"),
    AgencyAmbiguous: lambda error: Problem("agency_ambiguous", members={"agencies": error.agencies}),
    TooManyTries: lambda error: Problem("too_many_tries", headers={"Retry-After": str(error.wait_s)}),
    PasswordsBusy: lambda _: Problem("passwords_busy", headers={"Retry-After": "2"}),
    DomainTaken: lambda _: Problem("domain_taken"),
    BrandChanged: mismatch,
    BrandValueRefused: refused,
    BlockUnknown: not_there("entry on the block list"),
    CallerUnknown: not_there("call, or its caller withheld the number"),
    CallNotThere: not_there("call"),
    AttributedVisitUnknown: not_there("visit"),
    CodeUnknown: code_unknown,
    NoCodeFree: lambda _: Problem("no_code_free", headers={"Retry-After": "60"}),
    ModelRefused: lambda error: Problem("validation_failed", f"{error}."),
    AttributionValueRefused: refused,
    OwnerUnknown: not_there("client"),
    AdmissionValueRefused: refused,
    PrivacyOwnerUnknown: not_there("client"),
    PrivacyValueRefused: refused,
    HoldUnknown: not_there("legal hold"),
    RequestUnknown: not_there("request"),
    ReceiptUnknown: not_there("receipt"),
    FileUnavailable: lambda error: Problem("not_found", " ".join((error.__doc__ or "").split())),
    TrunkUnknown: not_there("trunk"),
    TrunkNameTaken: lambda _: Problem("trunk_name_taken", "Another trunk has this name."),
    TrunkValueRefused: refused,
    TrunkVersionMismatch: mismatch,
    TenancyVersionMismatch: mismatch,
    ClientUnknown: not_there("client"),
    ClientNotFound: not_there("client"),
    KeyUnknown: not_there("key"),
    KeyOver: lambda _: Problem("key_over"),
    TargetNotFound: not_there("target"),
    FlowNotFound: not_there("flow"),
    ScheduleNotFound: not_there("schedule"),
    NodeUnknown: not_there("node"),
    CallUnknown: not_there("call"),
    EventUnknown: not_there("event"),
    RecordingUnknown: not_there("recording"),
    RecordingAbsent: absent,
    RecordingPending: pending,
    KeyInUse: lambda error: Problem("recording_key_in_use", str(error)),
    RecordingKeyUnknown: not_there("key"),
    NoStoreOfItsOwn: lambda _: Problem("not_found", "The agency has no store of its own."),
    StoreSettingsFaulty: refused,
    KeyDestroyed: lambda _: Problem(
        "recording_absent", "The key of this recording was destroyed.", members={"reason": "key_destroyed"}
    ),
    FlowFaulty: faulty("/document"),
    AnswerUnfit: unfit,
    TargetFaulty: faulty(""),
    ScheduleFaulty: faulty(""),
    ScheduleInUse: lambda _: Problem("schedule_in_use"),
    ValueRefused: refused,
    AssessmentValueRefused: refused,
    QuestionRefused: question,
    AdviceRefused: question,
    SpendRefused: spend,
    SettingsRefused: refused,
    SubscriptionRefused: refused,
    SubscriptionUnknown: not_there("report subscription"),
    SubscriptionChanged: mismatch,
    ReportLinkInvalid: lambda _: Problem("link_invalid"),
    ReportVersionMismatch: mismatch,
    CarrierUnknown: not_there("carrier"),
    CarrierNameTaken: lambda _: Problem("carrier_name_taken"),
    CarrierValueRefused: refused,
    CarrierVersionMismatch: mismatch,
    CarrierRefuses: lambda error: Problem("carrier_refuses", f"{error}."),
    CarrierAway: lambda error: Problem("carrier_away", f"{error}.", headers={"Retry-After": "10"}),
    OrderUnknown: not_there("order"),
    ReturnUnknown: not_there("number on its way back"),
    ReturnOver: lambda error: Problem("return_over", f"The number does not go back: {error}."),
    OrderNotOpen: lambda error: Problem("order_not_open", f"{error}."),
    ClientOfOrderUnknown: not_there("client, or it has no such flow"),
    AssessmentVersionMismatch: mismatch,
    VersionConflict: mismatch,
    NumberUnknown: not_there("number"),
    HolderUnknown: not_there("client"),
    FlowUnknown: flow_unknown,
    NumberLeaving: lambda _: Problem(
        "number_leaving", "Its carrier is being asked to take it back. Order it there again once it is there."
    ),
    NumberTaken: lambda _: Problem("number_taken", "The number is in use already."),
    PoolUnknown: not_there("pool"),
    PoolHolderUnknown: not_there("client"),
    PoolFlowUnknown: flow_unknown,
    PoolClosed: lambda _: Problem("pool_closed"),
    NumberNotFit: lambda error: Problem("number_not_fit", f"{error}."),
    PoolValueRefused: refused,
    PoolVersionMismatch: mismatch,
    NumberReleased: lambda _: Problem("number_released", "The number was released. Add it again to use it."),
    NumberValueRefused: refused,
    VersionMismatch: mismatch,
    SiteUnknown: not_there("site"),
    VisitUnknown: not_there("visit"),
    SiteOwnerUnknown: not_there("client"),
    SiteFaulty: faulty(""),
    SiteVersionMismatch: mismatch,
    NoDraft: lambda _: Problem("no_draft"),
    SoundFaulty: prompt("#/audio"),
    LabelFaulty: prompt("#/label"),
    PromptUnknown: not_there("sound"),
    PromptInUse: lambda _: Problem("prompt_in_use"),
    WebhookUnknown: not_there("webhook"),
    DeliveryUnknown: not_there("delivery"),
    WebhookOwnerUnknown: not_there("client"),
    TooManyWebhooks: lambda _: Problem("too_many_webhooks"),
    NotWaiting: lambda _: Problem("delivery_under_way"),
    WebhookValueRefused: refused,
    WebhookVersionMismatch: mismatch,
    IntegrationUnknown: not_there("integration"),
    EntryUnknown: not_there("delivery"),
    ToldCallUnknown: not_there("call"),
    IntegrationOwnerUnknown: not_there("client"),
    TooManyIntegrations: lambda _: Problem("too_many_integrations"),
    EntryUnderWay: lambda _: Problem("delivery_under_way"),
    IntegrationValueRefused: refused,
    IntegrationVersionMismatch: mismatch,
    ArchiveUnknown: lambda error: Problem("not_found", f"There is no such part of the archive: {error}."),
    MonthUnknown: lambda error: Problem("not_found", f"There is no such month: {error}"),
    DocumentFaulty: lambda error: Problem(
        "validation_failed",
        "The request has 1 fault; see errors.",
        faults=[Fault(code="invalid", detail=error.reason, pointer=f"#{error.pointer}")],
    ),
    BookUnknown: not_there("price book"),
    EditionUnknown: not_there("edition of the price book"),
    AccountUnknown: lambda _: Problem("not_found", "There is no billing account: open one first."),
    StatementUnknown: lambda _: Problem("not_found", "There is no statement of that month."),
    RatingUnknown: not_there("rating"),
    ReferenceTaken: lambda _: Problem("reference_taken"),
    BillingValueRefused: refused,
    BillingVersionMismatch: mismatch,
    BillingFontMissing: lambda error: Problem("temporarily_unavailable", f"{error}"),
    ExportUnknown: not_there("export"),
    ExportScheduleUnknown: not_there("export schedule"),
    ExportFileMissing: lambda error: Problem("not_found", f"There is no such file: {error}"),
    ExportTooLarge: lambda error: Problem("export_too_large", f"{error}. Let a job make the file: POST /v1/exports."),
    ExportValueRefused: refused,
    ScheduleChanged: mismatch,
    StoreUnavailable: store_away,
    StoreRefuses: store_away,
}


def problem_of(error: DialtraceError) -> Problem | None:
    """The problem that an error of a room means to whoever asked; None when it is our own fault."""
    for kind in type(error).__mro__:
        if issubclass(kind, DialtraceError) and kind in TABLE:
            return TABLE[kind](error)
    return None
