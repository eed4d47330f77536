"""A line for a shell for each endpoint. The reference shows it; the test suite runs every one of them. Pure.

`$DIALTRACE` is the API's address, `$KEY` a key (for OAuth its parts, `$OAUTH_ID` and `$OAUTH_SECRET`), `$ETAG` the
`ETag` of what was read, and `$FLOW_ID` and the like are ids of one's own.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from .fields import EXAMPLE_ID

Document = dict[str, Any]
FORM = "application/x-www-form-urlencoded"
#: Lists of ids whose members are not called after what they hold.
_SINGULAR = {"targets": "TARGET_ID"}
_MARK = re.compile(r"\$\{([A-Z_]+)\}")


def curl_of(method: str, path: str, operation: Document, example: Any) -> str:
    """The line. ``example``: of the body; None: it takes none."""
    address = re.sub(r"\{(\w+)\}", lambda match: "$" + match[1].upper(), path) + _query_of(operation)
    verb = "" if method == "GET" else f"-X {method} "
    parts = [f'curl {verb}"$DIALTRACE{address}"']
    if operation.get("security"):
        parts.append('-H "Authorization: Bearer $KEY"')
        parts += ['-H "Idempotency-Key: $(uuidgen)"'] if method == "POST" else []
        parts += ['-H "If-Match: $ETAG"'] if method == "PATCH" else []
    elif path.startswith("/t/{token}/"):
        parts.append('-H "Origin: $ORIGIN"')
    if FORM in operation.get("requestBody", {}).get("content", {}):
        parts.append('-u "$OAUTH_ID:$OAUTH_SECRET"')
        parts += [f"-d {name}={quote(value)}" for name, value in example.items()]
    elif example is not None:
        parts += ["-H 'Content-Type: application/json'", f"-d {_quoted(example)}"]
    if path.endswith("/recording"):
        parts.append("-o call.wav")
    return " \\\n  ".join(parts)


def _query_of(operation: Document) -> str:
    """What must be asked; what may be is in the table."""
    required = [one for one in operation.get("parameters", ()) if one["in"] == "query" and one.get("required")]
    told = [f"{one['name']}={quote(str(_example_in(one)), safe=':,')}" for one in required]
    return "?" + "&".join(told) if told else ""


def _example_in(parameter: Document) -> Any:
    schema = parameter["schema"]
    examples = schema.get("examples") or schema.get("enum") or [parameter.get("example", "text")]
    return examples[0]


def _quoted(example: Any) -> str:
    """The body in single quotes, with ids of one's own between them."""
    text = json.dumps(_with_marks(example, ""), ensure_ascii=False).replace("'", "'\\''")
    return "'" + _MARK.sub(lambda match: f"'\"${match[1]}\"'", text) + "'"


def _with_marks(value: Any, name: str) -> Any:
    """The example with `${FLOW_ID}` where an id of one's own belongs."""
    if isinstance(value, dict):
        return {key: _with_marks(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_marks(one, _SINGULAR.get(name, name.removesuffix("s"))) for one in value]
    if isinstance(value, str) and EXAMPLE_ID in value:
        variable = name.upper() if name.endswith(("_id", "_ID")) else f"{name.upper()}_ID"
        return value.replace(EXAMPLE_ID, "${" + variable + "}")
    return value
