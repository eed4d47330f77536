"""A file as the body of a form, as RFC 7578 has it. Pure."""

from __future__ import annotations

import hashlib


def form_with_file(part: str, name: str, media_type: str, content: bytes) -> tuple[str, bytes]:
    """The media type and the body. The boundary is made of the content, so the same file makes the same bytes."""
    boundary = f"dialtrace-{hashlib.sha256(content).hexdigest()[:40]}"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="{name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return f"multipart/form-data; boundary={boundary}", head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
