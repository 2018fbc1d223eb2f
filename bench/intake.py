"""`intake`: arrivals to tickets with queue and urgency, one worker process, beside bare inserts of the same rows."""

import tempfile
import time
from pathlib import Path

import uvloop

from bench import baseline
from bench.rig import ROUNDS, Figures, desk, drain, figure, fill, median, new_database, server
from omnidesk.db.embedded import EmbeddedPostgres
from omnidesk.process import settle_heap

ARRIVALS = 4_000
LETTERS = (
    "Здравствуйте! Не могу войти в личный кабинет: пишет «неверный код». Заказ 48213, логин ivan@example.net. "
    "Подскажите, пожалуйста, что делать.\n\nС уважением,\nИван",
    "Hello, I paid for order #59120 yesterday and still have no confirmation. Could you check? Thanks, Maria",
    "Добрый день. Вчера в 14:30 списали 1 299,90 ₽, чек 0917, а товар не отправлен. Срочно нужна помощь, жду ответа.",
    "Good morning! The app (iPhone 14, iOS 17.5) closes when I open the cart. Reinstalled it twice, no change.",
)


def run() -> Figures:
    settle_heap()  # as a worker process does
    with server() as running, tempfile.TemporaryDirectory() as files:
        return uvloop.run(_measure(running, Path(files)))


async def _measure(running: EmbeddedPostgres, files: Path) -> Figures:
    ours, bare = [], []
    for _ in range(ROUNDS):
        async with desk(await new_database(running), files) as one:
            await fill(one, [LETTERS[n % len(LETTERS)] for n in range(ARRIVALS)])
            started = time.perf_counter()
            await drain(one)
            ours.append(ARRIVALS / (time.perf_counter() - started))
            bare.append(await baseline.rate(one.url, ARRIVALS))
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return {"intake": figure(median(ours), "arrivals/s", median(bare), median(ratios))}
