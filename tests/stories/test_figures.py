"""What an operator sees of a message's way in the figures."""

import re
from pathlib import Path

from tests import story
from tests.story import until


async def test_a_mail_and_its_answer_are_seen_in_the_figures(db_url: str, tmp_path: Path) -> None:
    async with story.desk(db_url, tmp_path / "desk") as desk:
        olena = await desk.agent("Olena")
        await desk.writes("ivan@customer.example", "Where is my refund?")
        [ticket] = await desk.tickets(1)
        await desk.answers(olena, ticket["id"], "It is on its way.")
        await desk.mail_to("ivan@customer.example", 2)

        async def both_sent() -> bool:
            return len(await desk.rows("SELECT 1 FROM outbox WHERE state = 'sent'")) == 2

        await until(both_sent)
        text = (await desk.api.get("/metrics")).text

    def figure(name: str) -> float:
        found = re.search(rf"^omnidesk_{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found, name
        return float(found[1])

    assert figure("door_seconds_count") == 1
    assert 0 < figure("door_seconds_sum") < 60
    assert 0 < figure('intake_seconds{quantile="0.5"}') <= figure('intake_seconds{quantile="0.99"}') < 60
    assert figure('outbox_ended_in_an_hour{state="sent"}') == 2
    assert figure('outbox_ended_in_an_hour{state="rejected"}') == 0
    assert figure("planner_absent_seconds") == 0
    assert figure("search_behind") >= 0
