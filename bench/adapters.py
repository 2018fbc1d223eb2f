"""The desk's own reading of mail, in the form that corpus scorers ask for."""

from typing import Any

from omnidesk.channels.email.reading import read_mail


def email(raw: bytes) -> dict[str, Any]:
    """What is read from one mail."""
    mail = read_mail(raw)
    return {
        "from_address": mail.from_address,
        "from_name": mail.from_name,
        "to": [box.address for box in mail.to],
        "reply_to": [box.address for box in mail.reply_to],
        "subject": mail.subject,
        "text": mail.text,
        "visible_text": mail.visible_text,
        "attachments": [
            {"filename": file.name, "size": len(file.content), "content_type": file.content_type}
            for file in mail.attachments
        ],
        "auto_submitted": mail.auto_submitted,
        "bounce": mail.bounce is not None,
    }
