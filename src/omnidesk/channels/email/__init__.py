"""E-mail inboxes: an MTA delivers to the listener, answers leave by SMTP.

`reading` and `items` say what a mail means, `compose` writes one, `smtp` hands it in, `listener`
is the door. Here they are one channel.
"""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import AfterValidator, Field, SecretStr, model_validator

from omnidesk.channels import base
from omnidesk.channels.email import mime
from omnidesk.channels.email.compose import Letterhead, Mail, compose, message_id
from omnidesk.channels.email.items import REALM, to_items
from omnidesk.channels.email.reading import read_mail
from omnidesk.channels.email.smtp import Server, Submission
from omnidesk.domain.messages import Arrival, Item, Outbound, Part, Sent


def _address(text: str) -> str:
    """As it goes over the wire, in lower case: what the door and the reading compare with."""
    return mime.address(text).lower() if text.strip() else ""


def _rsa_key(secret: SecretStr) -> rsa.RSAPrivateKey:
    """The key in a PEM. Raises ValueError without a word of it."""
    try:
        key = serialization.load_pem_private_key(secret.get_secret_value().encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("not a private key in PEM without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")  # what every verifier knows (RFC 8301)
    return key


def _is_rsa_key(secret: SecretStr) -> SecretStr:
    _rsa_key(secret)
    return secret


MailAddress = Annotated[str, AfterValidator(_address)]


class Config(base.InboxConfig):
    """What an administrator types in."""

    address: MailAddress = Field(
        title="Address", description="What customers write to", examples=["support@acme.example"]
    )
    name: str = Field("", title="Name", description="Stands before the address in answers", examples=["Acme Support"])
    aliases: list[MailAddress] = Field([], title="Other addresses", description="That reach this inbox too")
    smtp_host: str = Field("", title="Outgoing server", description="SMTP; empty: the inbox only receives")
    smtp_port: int = Field(587, ge=1, le=65535, title="Port", description="587 for STARTTLS, 465 for TLS")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", title="Encryption", description="`none` only for a server on the same machine"
    )
    smtp_verify: bool = Field(True, title="Check the certificate", description="Off only for a server with its own one")
    smtp_username: str = Field("", title="User name", description="Empty: without signing in")
    smtp_password: SecretStr = Field(SecretStr(""), title="Password", description="Of the outgoing server")
    return_path: MailAddress = Field(
        "", title="Return path", description="Bounces go to it with a token (bounces+token@…); empty: to the address"
    )
    dkim_selector: str = Field("", title="DKIM selector", description="Name of the key in DNS; empty: not signed here")
    dkim_key: Annotated[SecretStr, AfterValidator(_is_rsa_key)] | None = Field(
        None, title="DKIM key", description="RSA private key in PEM; signs for the domain of the address"
    )
    authserv_id: str = Field(
        "",
        title="Trusted mail server",
        description="Its name in Authentication-Results; no other is believed about DMARC",
    )

    @model_validator(mode="after")
    def _whole(self) -> "Config":
        if not self.address:
            raise ValueError("an inbox has an address")
        if bool(self.dkim_selector) != (self.dkim_key is not None):
            raise ValueError("DKIM takes a selector and a key")
        return self

    def realm(self) -> str:
        return self.address

    def addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, (self.address, *self.aliases, self.return_path))))


@base.register("email", title="E-mail", config=Config)
class EmailChannel:
    def __init__(self, config: Config, tools: base.Tools) -> None:
        self._config = config
        self._own = tuple(dict.fromkeys((*tools.addresses, *config.addresses())))
        self._domain = tools.domain or config.address.rpartition("@")[2]
        self._letterhead = Letterhead(
            address=config.address, name=config.name, return_path=config.return_path, domain=self._domain
        )
        self._submission = Submission(_server(config, self._domain)) if config.smtp_host else None

    def read(self, arrival: Arrival) -> list[Item]:
        """What a mail means; never raises, the worst is a message with the original attached."""
        mail = read_mail(arrival.body, mail_from=arrival.meta.get("mail_from"))
        return to_items(
            mail,
            arrival.meta,
            self._own,
            trusted_authserv_id=self._config.authserv_id,
            loop_mark=self._domain,
        )

    def split(self, message: Outbound) -> list[Part]:
        """One mail, whatever its length."""
        return [Part(text=message.text, files=tuple(range(len(message.files))))]

    async def send(self, message: Outbound, part: Part, before_call: base.BeforeCall) -> Sent:
        """Hand one mail to the outgoing server; `before_call` is awaited just before DATA."""
        if self._submission is None:
            raise base.SendRejected("the inbox has no outgoing server")
        mail = await asyncio.to_thread(self._written, message)
        sent = await self._submission.send(mail, before_call)
        return Sent(external_id=message_id(message, self._domain), realm=REALM, rejected=sent.rejected)

    async def close(self) -> None:
        """Close the connections that are kept for the next mail."""
        if self._submission:
            await self._submission.close()

    def _written(self, message: Outbound) -> Mail:
        """The mail with its files, signed; in a thread, for both may be large."""
        try:
            contents = [Path(file.path).read_bytes() for file in message.files]
            mail = compose(message, self._letterhead, contents, now=datetime.now(UTC))
        except OSError:
            raise base.SendRejected("a file of the message is missing") from None
        except ValueError:
            raise base.SendRejected("a recipient's address is not valid") from None
        if not mail.recipients:
            raise base.SendRejected("the message has no recipient")
        if self._config.dkim_key is None:
            return mail
        return signed(
            mail, self._config.dkim_selector, self._letterhead.address.rpartition("@")[2], self._config.dkim_key
        )


def _server(config: Config, helo: str) -> Server:
    context = ssl.create_default_context()
    if not config.smtp_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return Server(
        host=config.smtp_host,
        port=config.smtp_port,
        security=config.smtp_security,
        tls=context if config.smtp_security != "none" else None,
        username=config.smtp_username,
        password=config.smtp_password.get_secret_value(),
        helo=helo,
    )


def signed(mail: Mail, selector: str, domain: str, key: SecretStr) -> Mail:
    """The mail with a DKIM signature (RFC 6376) above it. Raises SendRejected when the key does not sign."""
    pem = _rsa_key(key).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    try:
        header: bytes = dkim.sign(
            mail.content, selector.encode(), domain.encode(), pem, canonicalize=(b"relaxed", b"relaxed")
        )
    except dkim.DKIMException as error:
        raise base.SendRejected(f"the mail cannot be signed with DKIM: {type(error).__name__}") from None
    return Mail(sender=mail.sender, recipients=mail.recipients, content=header + mail.content, utf8=mail.utf8)
