"""What an agency and its clients set up, kind by kind: what lists and forms say of each. Data; `resources` shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .forms import Field
from .navigation import AGENCY, EVERYBODY
from .texts import N_

LANGUAGE = (("", N_("as the brand")), ("en", "English"), ("ru", "Русский"))
#: The least first: a form that nobody touches gives no more than that.
ROLES = tuple((one, N_(label)) for one, label in (
    ("read_only", N_("looks only")), ("listener", N_("listener")), ("analyst", N_("analyst")),
    ("manager", N_("manager")), ("owner", N_("owner")),
))  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A member in a list. ``kind``: text, moment, number, yes, list, or a kind of `words`."""

    name: str
    label: str
    kind: str = "text"


@dataclass(frozen=True)
class Deed:
    """A button on a thing's page: a POST to ``path`` under the thing. ``sure``: what is asked first."""

    path: str
    label: str
    sure: str = ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``owner``: client, each belongs to one; maybe, to one or to the agency; agency, to that alone. ``shown_once``:
    the member that is shown when it is made, and never again. ``changed_by``: PATCH, or empty. ``makers``: who may make
    and remove one; ``changers``: who may change it."""

    key: str
    path: str
    title: str
    new: str
    about: str
    none: str
    columns: tuple[Column, ...]
    fields: tuple[Field, ...]
    read: str
    write: str
    owner: str = "client"
    reaches: tuple[str, ...] = EVERYBODY
    makers: tuple[str, ...] = EVERYBODY
    changers: tuple[str, ...] = EVERYBODY
    shown_once: str = ""
    changed_by: str = "PATCH"
    remove: str = ""
    deeds: tuple[Deed, ...] = field(default=())


NAME = Field(name="name", label=N_("Name"), required=True)
PERSON = N_("Full name")
FLOW = Field(name="flow_id", label=N_("Flow"), kind="pick", source="/v1/flows",
             help=N_("What happens to a call to it, step by step."))  # fmt: skip

KINDS: tuple[Kind, ...] = (
    Kind(
        key="numbers", path="/v1/numbers", title=N_("Numbers"), new=N_("Add a number"),
        about=N_("Numbers that callers dial. A static one belongs to one source; dynamic ones go into a pool."),
        none=N_("Add a number that your carrier sends to this platform, and give it a flow."),
        columns=(
            Column("number", N_("Number")), Column("label", N_("Label")), Column("kind", N_("Kind"), "kind"),
            Column("status", N_("Status"), "status"), Column("state", N_("State"), "status"),
            Column("source", N_("Source")),
        ),
        fields=(
            Field(name="number", label=N_("Number"), required=True, when="new",
                  help=N_("With the country: +442079460123.")),
            Field(name="kind", label=N_("Kind"), kind="choice", when="new",
                  choices=(("static", N_("static")), ("dynamic", N_("dynamic")))),
            Field(name="label", label=N_("Label"), empty="text"), FLOW,
            Field(name="channel", label=N_("Channel"), help=N_("Of a static number: where its callers come from.")),
            Field(name="source", label=N_("Source")), Field(name="campaign", label=N_("Campaign")),
        ),
        read="numbers.read", write="numbers.write", makers=AGENCY,
        remove=N_("Release this number? Callers are refused."),
    ),
    Kind(
        key="pools", path="/v1/pools", title=N_("Pools"), new=N_("Make a pool"),
        about=N_("Dynamic numbers that are leased to visits, each to one at a time."),
        none=N_("Make a pool, then put dynamic numbers into it: each visit sees one of its own."),
        columns=(
            Column("name", N_("Name")), Column("status", N_("Status"), "status"), Column("region", N_("Region")),
            Column("loss_target", N_("Loss that is accepted"), "share"), Column("grows", N_("Grows by itself"), "yes"),
        ),
        fields=(
            NAME, FLOW, Field(name="site_id", label=N_("Site"), kind="pick", source="/v1/sites"),
            Field(name="loss_target", label=N_("Loss that is accepted"), kind="decimal", empty="omit",
                  help=N_("Share of visits that may find no number of their own: 0.01 is one in a hundred.")),
            Field(name="tail_s", label=N_("Seconds that a number stays with a visit after it has ended"), kind="number",
                  empty="omit"),
        ),
        read="numbers.read", write="numbers.write", makers=AGENCY, changers=AGENCY,
        remove=N_("Close this pool? Its numbers become free, and it cannot be opened again."),
    ),
    Kind(
        key="targets", path="/v1/targets", title=N_("Targets"), new=N_("Add a target"),
        about=N_("Places that flows ring: telephones and SIP addresses."),
        none=N_("Add the telephone that is to ring when somebody calls."),
        columns=(Column("name", N_("Name")), Column("address", N_("Address")),
                 Column("ring_timeout_s", N_("Rings, seconds"), "number")),
        fields=(
            NAME,
            Field(name="address", label=N_("Address"), required=True,
                  help=N_("A number such as +442079460123, or a SIP address such as sip:desk@pbx.example.")),
            Field(name="ring_timeout_s", label=N_("Rings, seconds"), kind="number", empty="omit"),
        ),
        read="flows.read", write="flows.write",
    ),
    Kind(
        key="sites", path="/v1/sites", title=N_("Sites"), new=N_("Add a site"),
        about=N_("Web sites whose pages show numbers, each visitor the one of his source."),
        none=N_("Add the client's web site: you get a line of HTML for its pages."),
        columns=(Column("name", N_("Name")), Column("domains", N_("Domains"), "list"),
                 Column("status", N_("Status"), "status"), Column("has_draft", N_("Has a draft"), "yes")),
        fields=(
            NAME,
            Field(name="domains", label=N_("Domains"), kind="lines", required=True,
                  help=N_("One a line. What lies below one belongs to it.")),
            Field(name="settings.consent", label=N_("Consent of visitors"), kind="choice", empty="omit",
                  choices=(("required", N_("the page asks first")), ("assumed", N_("is assumed"))),
                  help=N_("Until a page says yes, nothing is kept in the browser.")),
        ),
        read="sites.read", write="sites.write", remove=N_("Delete this site? Its pages show their own numbers again."),
    ),
    Kind(
        key="users", path="/v1/users", title=N_("Users"), new=N_("Invite somebody"),
        about=N_("People who sign in here, and what they may do."),
        none=N_("Invite the people who are to see calls. Each gets a letter."),
        columns=(Column("name", PERSON), Column("email", N_("E-mail address")), Column("role", N_("Role"), "role"),
                 Column("state", N_("Status"), "status"), Column("last_sign_in_at", N_("Last seen"), "moment")),
        fields=(
            Field(name="name", label=PERSON, required=True),
            Field(name="email", label=N_("E-mail address"), kind="email", required=True, when="new"),
            Field(name="role", label=N_("Role"), kind="choice", choices=ROLES, empty="omit"),
            Field(name="language", label=N_("Language"), kind="choice", choices=LANGUAGE),
            Field(name="state", label=N_("Status"), kind="choice", when="change", empty="omit",
                  choices=(("active", N_("active")), ("disabled", N_("switched off")))),
        ),
        read="people.read", write="people.write", owner="maybe",
        remove=N_("Remove this user? His sessions end at once."),
        deeds=(Deed("invitation", N_("Send the invitation again")),),
    ),
    Kind(
        key="keys", path="/v1/keys", title=N_("API keys"), new=N_("Make a key"),
        about=N_("Keys by which other systems use the API."),
        none=N_("Make a key when a system of yours is to read calls or set things up."),
        columns=(Column("name", N_("Name")), Column("role", N_("Reach"), "kind"),
                 Column("last_used_at", N_("Last used"), "moment"), Column("expires_at", N_("Ends"), "moment"),
                 Column("revoked_at", N_("Revoked"), "moment")),
        fields=(
            NAME,
            Field(name="may_listen", label=N_("May hear recordings"), kind="check"),
            Field(name="expires_at", label=N_("Ends"), kind="moment"),
            Field(name="scopes", label=N_("Permissions"), kind="lines", empty="omit",
                  help=N_("One a line, such as calls.read. Nothing: all that its reach allows.")),
        ),
        read="keys.read", write="keys.write", owner="maybe", reaches=AGENCY, shown_once="token", changed_by="",
        remove=N_("Revoke this key? Whoever uses it is refused at once."),
    ),
    Kind(
        key="webhooks", path="/v1/webhooks", title=N_("Webhooks"), new=N_("Add a webhook"),
        about=N_("Addresses that are told what happens, signed and in order."),
        none=N_("Add the address of a system that is to hear of calls as they end."),
        columns=(Column("url", N_("Address")), Column("description", N_("Description")),
                 Column("state", N_("Status"), "status"), Column("last_success_at", N_("Last delivered"), "moment"),
                 Column("last_fault", N_("Last fault"))),
        fields=(
            Field(name="url", label=N_("Address"), kind="url", required=True,
                  help=N_("By https, on a public address.")),
            Field(name="description", label=N_("Description"), empty="text"),
            Field(name="event_types", label=N_("Events"), kind="lines",
                  help=N_("One a line, such as call.ended or recording.*. Nothing: all of them.")),
        ),
        read="webhooks.read", write="webhooks.write", owner="maybe", shown_once="secret",
        remove=N_("Remove this webhook? What waits for it is not sent."),
        deeds=(Deed("test", N_("Send a test message")), Deed("pause", N_("Pause")), Deed("resume", N_("Go on"))),
    ),
    Kind(
        key="prices", path="/v1/price-books", title=N_("Price books"), new=N_("Make a price book"),
        about=N_("What things cost. Prices stand in editions, which hold from a moment on and never change."),
        none=N_("Make a price book, say its prices, and name it in a client's account."),
        columns=(Column("name", N_("Name")), Column("side", N_("Who pays"), "side_of"),
                 Column("currency", N_("Currency")), Column("edition", N_("Edition"), "number")),
        fields=(
            NAME,
            Field(name="side", label=N_("Who pays"), kind="choice", when="new",
                  choices=(("client", N_("the client, to the agency")), ("agency", N_("the agency, to the operator")))),
            Field(name="currency", label=N_("Currency"), required=True, when="new", help=N_("Such as EUR.")),
        ),
        read="billing.read", write="billing.write", owner="agency", reaches=AGENCY, makers=AGENCY, changers=AGENCY,
    ),
    Kind(
        key="privacy", path="/v1/subject-requests", title=N_("Requests of persons"), new=N_("Take up a request"),
        about=N_("A caller asks for a copy of what is kept of him, or for its erasure."),
        none=N_("When a caller asks what you keep of him, or to erase it, take it up here."),
        columns=(Column("kind", N_("What"), "kind"), Column("caller", N_("Caller")),
                 Column("state", N_("Status"), "status"),
                 Column("requested_at", N_("Since"), "moment"), Column("finished_at", N_("Done at"), "moment")),
        fields=(
            Field(name="kind", label=N_("What"), kind="choice",
                  choices=(("export", N_("copy of everything")), ("erase", N_("erasure")))),
            Field(name="phone", label=N_("Number of the caller"), required=True,
                  help=N_("An erasure cannot be taken back: calls stay, without the person.")),
        ),
        read="privacy.read", write="privacy.write", owner="maybe", changed_by="",
    ),
)  # fmt: skip
