import pytest

from omnidesk.desk.vault import CannotDecrypt, Vault

OLD, NEW = b"old" * 11, b"new" * 11


def test_an_old_and_a_new_key_stand_side_by_side() -> None:
    sealed = Vault([OLD]).encrypt(b"token", "inbox")
    rotated = Vault([NEW, OLD])
    assert rotated.decrypt(sealed, "inbox") == b"token"
    assert Vault([NEW]).decrypt(rotated.encrypt(b"token", "inbox"), "inbox") == b"token"


def test_what_was_altered_or_meant_for_something_else_does_not_open() -> None:
    vault = Vault([OLD])
    sealed = vault.encrypt(b"token", "inbox")
    for broken, purpose in [(sealed[:-1] + b"x", "inbox"), (sealed, "arrival"), (sealed[:9], "inbox"), (b"", "inbox")]:
        with pytest.raises(CannotDecrypt):
            vault.decrypt(broken, purpose)
    with pytest.raises(CannotDecrypt):
        Vault([NEW]).decrypt(sealed, "inbox")


def test_the_same_text_is_never_sealed_twice_alike() -> None:
    vault = Vault([OLD])
    assert vault.encrypt(b"token", "inbox") != vault.encrypt(b"token", "inbox")
