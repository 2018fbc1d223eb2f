"""Mails for tests, written by us."""

import base64


def mail(body: str | bytes = "Hello", *, charset: str = "utf-8", headers: str | bytes = "", **fields: str) -> bytes:
    """A plain mail; `fields` replace or add headers (underscores become dashes)."""
    usual = {
        "From": "Ivan Petrov <ivan@b.example>",
        "To": "support@acme.example",
        "Subject": "Test",
        "Message-ID": "<m1@b.example>",
        "Date": "Sun, 22 Nov 2026 10:00:00 +0300",
        "Content-Type": f"text/plain; charset={charset}",
        "Content-Transfer-Encoding": "8bit",
    }
    usual |= {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\n" for name, value in usual.items() if value).encode()
    extra = headers.encode() if isinstance(headers, str) else headers
    return head + extra + b"\n" + (body.encode(charset) if isinstance(body, str) else body)


def parts(*pieces: str | bytes, kind: str = "mixed", **fields: str) -> bytes:
    """A multipart mail; every piece is a part with its own headers."""
    body = b"".join(b"--=_b\n" + (each.encode() if isinstance(each, str) else each) + b"\n" for each in pieces)
    return mail(body + b"--=_b--\n", **{"Content_Type": f'multipart/{kind}; boundary="=_b"', **fields})


def attached(name: str, content: bytes = b"data", *, kind: str = "application/pdf", more: str = "") -> str:
    """A part with a file; `name` is the whole parameter, as `filename=\"x.pdf\"`."""
    encoded = base64.encodebytes(content).decode()
    return (
        f"Content-Type: {kind}\nContent-Disposition: attachment; {name}\n{more}"
        f"Content-Transfer-Encoding: base64\n\n{encoded}"
    )


TEXT_PART = "Content-Type: text/plain; charset=utf-8\n\nHello"
PAGE_PART = "Content-Type: text/html; charset=utf-8\n\n<p>Hello <b>page</b></p>"
