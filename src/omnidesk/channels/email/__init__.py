"""E-mail inboxes: an MTA delivers to the listener or IMAP fetches, answers leave by SMTP.

`reading` and `items` say what a mail means, `compose` writes one, `smtp` hands it in, `listener`
and `imap` are the ways in. Here they are one channel.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import AfterValidator, Field, SecretStr, model_validator

from omnidesk.channels import base
from omnidesk.channels.email import mime
from omnidesk.channels.email.backfill import backfill
from omnidesk.channels.email.compose import Letterhead, Mail, compose, message_id
from omnidesk.channels.email.imap import Watch
from omnidesk.channels.email.imap_session import Account, connected
from omnidesk.channels.email.items import REALM, to_items
from omnidesk.channels.email.oauth import Grant, Tokens
from omnidesk.channels.email.reading import read_mail
from omnidesk.channels.email.smtp import Server, Submission, TokenSource
from omnidesk.domain.messages import Arrival, Inbound, Item, Outbound, Part, Sent
from omnidesk.domain.tokens import MAX_RETURN_LOCAL, loop_mark


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
    verify: bool = Field(True, title="Check certificates", description="Off only for servers that sign their own")
    smtp_username: str = Field("", title="User name", description="Empty: without signing in")
    smtp_password: SecretStr = Field(SecretStr(""), title="Password", description="Of the outgoing server")
    imap_host: str = Field("", title="Incoming server", description="IMAP; empty: an MTA delivers to the listener")
    imap_port: int = Field(993, ge=1, le=65535, title="IMAP port", description="993 for TLS")
    imap_security: Literal["tls", "none"] = Field(
        "tls", title="IMAP encryption", description="`none` only for a server on the same machine"
    )
    imap_username: str = Field("", title="IMAP user name", description="Empty: the address")
    imap_password: SecretStr = Field(SecretStr(""), title="IMAP password", description="Of the incoming server")
    imap_folders: list[str] = Field(
        ["INBOX"], min_length=1, max_length=20, title="Folders", description="To fetch from"
    )
    imap_alarm_minutes: int = Field(
        20, ge=1, le=1440, title="Alarm", description="Minutes without a successful look at the folders"
    )
    imap_after: Literal["nothing", "seen", "move"] = Field(
        "nothing", title="Afterwards", description="What is done to a mail on the server once the desk has it"
    )
    imap_move_to: str = Field("", title="Move to", description="The folder for `move`; it must exist")
    oauth_token_url: str = Field(
        "", title="Token address", description="Of the provider; with it, both servers are signed in to by XOAUTH2"
    )
    oauth_client_id: str = Field("", title="Client id", description="Of the application at the provider")
    oauth_client_secret: SecretStr = Field(SecretStr(""), title="Client secret", description="Of the application")
    oauth_refresh_token: SecretStr = Field(
        SecretStr(""), title="Refresh token", description="Given when it was connected"
    )
    return_path: MailAddress = Field(
        "",
        title="Return path",
        description="Bounces go to it, signed for each mail (bounces+…@); the outgoing server must allow that. "
        "Empty: to the address",
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
        if len(self.return_path.rpartition("@")[0]) > MAX_RETURN_LOCAL:
            raise ValueError(f"a return path has at most {MAX_RETURN_LOCAL} characters before the @")
        if self.imap_after == "move" and not self.imap_move_to:
            raise ValueError("moving takes a folder to move to")
        if self.oauth_token_url and not (self.oauth_client_id and self.oauth_refresh_token.get_secret_value()):
            raise ValueError("XOAUTH2 takes a client id and a refresh token")
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
        self._keys = tools.keys
        self._loop_marks = tuple(map(loop_mark, tools.keys)) or (self._domain,)
        self._letterhead = Letterhead(
            address=config.address,
            name=config.name,
            return_path=config.return_path,
            key=next(iter(tools.keys), b""),
            domain=self._domain,
            loop_mark=self._loop_marks[0],
        )
        self._tokens = Tokens(_grant(config), tools.http, tools.memory) if config.oauth_token_url else None
        if config.imap_host:  # without it, nothing is watched: an MTA delivers
            self.watch, self.backfill = self._fetch, self._fetch_older
            self.alarm_after_s = config.imap_alarm_minutes * 60.0
        self._submission = Submission(_server(config, self._domain, self._tokens)) if config.smtp_host else None

    def read(self, arrival: Arrival) -> list[Item]:
        """What a mail means; the worst is a message with the original attached.

        Raises Unreadable for what stands for a mail that the server would not give.
        """
        if "gap" in arrival.meta:
            uid, folder = arrival.meta.get("uid"), arrival.meta.get("folder")
            raise base.Unreadable(f"The mail server does not give mail {uid} of the folder {folder}; look at it there.")
        mail = read_mail(arrival.body, mail_from=arrival.meta.get("mail_from"))
        items = to_items(
            mail,
            arrival.meta,
            self._own,
            inbox_addresses=self._config.addresses(),
            keys=self._keys,
            trusted_authserv_id=self._config.authserv_id,
            loop_marks=self._loop_marks,
        )
        return [_cut(item) for item in items] if arrival.meta.get("cut") else items

    async def _fetch(self, cursor: Mapping[str, Any], deliver: base.Deliver) -> None:
        """Fetch by IMAP until cancelled. Raises NeedsReauth, and what keeps it from connecting."""
        await Watch(_account(self._config, self._tokens), cursor, deliver).run()

    async def _fetch_older(self, since: date, bring: Callable[[Sequence[Arrival]], Awaitable[None]]) -> None:
        """Fetch everything since a day, once. Raises NeedsReauth, and what keeps it from connecting."""
        await backfill(_account(self._config, self._tokens), since, bring)

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

    @property
    def answers(self) -> bool:
        """Not without an outgoing server: then the inbox only receives."""
        return self._submission is not None

    async def check(self) -> None:
        """Sign in at the outgoing server, and where mail is fetched from."""
        if self._submission:
            await self._submission.check()
        if self._config.imap_host:
            async with connected(_account(self._config, self._tokens)):
                pass

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


def _cut(item: Item) -> Item:
    return replace(item, hints=(*item.hints, "too_large_end_missing")) if isinstance(item, Inbound) else item


def _grant(config: Config) -> Grant:
    return Grant(
        token_url=config.oauth_token_url,
        client_id=config.oauth_client_id,
        client_secret=config.oauth_client_secret.get_secret_value(),
        refresh_token=config.oauth_refresh_token.get_secret_value(),
    )


def _account(config: Config, token: TokenSource | None) -> Account:
    return Account(
        host=config.imap_host,
        port=config.imap_port,
        tls=_context(config) if config.imap_security == "tls" else None,
        username=config.imap_username or config.address,
        password=config.imap_password.get_secret_value(),
        token=token,
        folders=tuple(dict.fromkeys(config.imap_folders)),
        idle_s=min(8 * 60.0, config.imap_alarm_minutes * 20.0),
        poll_s=min(60.0, config.imap_alarm_minutes * 20.0),
        after=config.imap_after,
        move_to=config.imap_move_to,
    )


def _context(config: Config) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not config.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _server(config: Config, helo: str, token: TokenSource | None) -> Server:
    return Server(
        host=config.smtp_host,
        port=config.smtp_port,
        security=config.smtp_security,
        tls=_context(config) if config.smtp_security != "none" else None,
        username=config.smtp_username or (config.address if token else ""),
        password=config.smtp_password.get_secret_value(),
        token=token,
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
