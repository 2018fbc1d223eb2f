from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain.messages import Address, Author, Inbound, Ref
from omnidesk.domain.threading import NUMBER_OF_ANOTHER, UNVERIFIED, Candidate, Via, place
from omnidesk.domain.tickets import Status

IVAN = Address(kind="email", address="ivan@example.net")
OLGA = Address(kind="email", address="olga@example.net")
MALLORY = Address(kind="email", address="mallory@evil.example")


def mail(sender: Address = IVAN, **more: object) -> Inbound:
    return replace(
        Inbound(ref=Ref(realm="mail", external_id="m@x"), thread_key="t", sender=sender, text="Any news?"),
        **more,  # type: ignore[arg-type]
    )


def conversation(n: int = 1, via: Via = Via.REFERENCE, status: Status = Status.OPEN, distance: int = 0) -> Candidate:
    return Candidate(
        conversation_id=UUID(int=n),
        ticket_id=UUID(int=100 + n),
        status=status,
        requester=IVAN.key,
        participants=frozenset({IVAN.key, OLGA.key}),
        via=via,
        distance=distance,
    )


def test_a_stranger_starts_a_ticket() -> None:
    placed = place(mail(), [])
    assert placed.joins is None
    assert placed.follows is None


@pytest.mark.parametrize(
    ("sender", "author"), [(IVAN, Author.REQUESTER), (OLGA, Author.PARTICIPANT), (MALLORY, Author.UNVERIFIED)]
)
@pytest.mark.parametrize("via", [Via.TOKEN, Via.REFERENCE])
def test_a_token_or_reference_proves_the_thread_not_the_person(sender: Address, author: Author, via: Via) -> None:
    placed = place(mail(sender), [conversation(via=via)])
    assert placed.joins == conversation(via=via)
    assert placed.author == author
    assert (UNVERIFIED in placed.hints) == (author == Author.UNVERIFIED)


def test_a_number_counts_for_participants_only() -> None:
    by_number = conversation(via=Via.NUMBER)
    assert place(mail(OLGA), [by_number]).joins == by_number
    stranger = place(mail(MALLORY), [by_number])
    assert stranger.joins is None
    assert NUMBER_OF_ANOTHER in stranger.hints


def test_a_failed_dmarc_never_joins_by_sender_alone() -> None:
    forged = mail(suspicious="dmarc_failed")
    assert place(forged, [conversation(via=Via.NUMBER), conversation(via=Via.THREAD)]).joins is None
    assert place(forged, [conversation(via=Via.TOKEN)]).author == Author.UNVERIFIED


def test_a_later_message_to_a_closed_ticket_makes_one_that_follows() -> None:
    placed = place(mail(), [conversation(status=Status.CLOSED)])
    assert placed.joins is None
    assert placed.follows == conversation().ticket_id


@pytest.mark.parametrize("status", [Status.PENDING, Status.RESOLVED])
def test_an_answer_reopens_and_an_out_of_office_does_not(status: Status) -> None:
    assert place(mail(), [conversation(status=status)]).reopens
    away = place(mail(automatic=True), [conversation(status=status)])
    assert away.joins is not None
    assert not away.reopens


def test_an_out_of_office_to_a_closed_ticket_starts_nothing() -> None:
    assert place(mail(automatic=True), [conversation(status=Status.CLOSED)]).joins is not None


def test_the_answered_message_wins_over_the_number_in_the_subject() -> None:
    placed = place(mail(), [conversation(2, Via.NUMBER), conversation(1, Via.REFERENCE)])
    assert placed.joins is not None
    assert placed.joins.conversation_id == UUID(int=1)


@given(st.permutations([conversation(n, via, distance=n) for n, via in enumerate(Via)]), st.booleans())
def test_the_order_of_candidates_does_not_matter(candidates: list[Candidate], automatic: bool) -> None:
    assert place(mail(automatic=automatic), candidates) == place(
        mail(automatic=automatic), sorted(candidates, key=lambda c: c.conversation_id)
    )
