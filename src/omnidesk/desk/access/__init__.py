"""Coming in: passwords, sessions, one-time links and API keys, and what a role may do.

Secrets are random and shown once; SHA-256 of them is stored (they have 190 and more random bits, so a
slow hash would add nothing). Passwords are hashed with argon2id (RFC 9106) in a thread.
"""

from omnidesk.desk.access.keyring import Keyring, key_actor
from omnidesk.desk.access.keys import KeyWish, create_key, new_secret, public_part, revoke_key, type_id
from omnidesk.desk.access.links import Newcomer, look_at_link, make_link, use_link
from omnidesk.desk.access.passwords import hashed
from omnidesk.desk.access.rights import ROLE_SCOPES, actor_of, rights, sees_all_queues
from omnidesk.desk.access.sessions import (
    SESSION_IDLE,
    SESSION_LIFE,
    SignedIn,
    by_session,
    change_password,
    sign_in,
    sign_out,
)
from omnidesk.desk.access.standing import Credential, Standing

__all__ = [
    "ROLE_SCOPES",
    "SESSION_IDLE",
    "SESSION_LIFE",
    "Credential",
    "KeyWish",
    "Keyring",
    "Newcomer",
    "SignedIn",
    "Standing",
    "actor_of",
    "by_session",
    "change_password",
    "create_key",
    "hashed",
    "key_actor",
    "look_at_link",
    "make_link",
    "new_secret",
    "public_part",
    "revoke_key",
    "rights",
    "sees_all_queues",
    "sign_in",
    "sign_out",
    "type_id",
    "use_link",
]
