"""`door`: signed webhooks accepted durably by one API process, beside FastAPI with one bare INSERT each."""

import asyncio
import tempfile
from pathlib import Path

from bench.load import Load
from bench.rig import ROUNDS, Figure, Figures, figure, median, server
from bench.serving import SIGNING, baseline, drive, serving, site

REQUESTS = 5_000
CONNECTIONS = (32, 128)


def run() -> Figures:
    with server() as running, tempfile.TemporaryDirectory() as folder:
        one = asyncio.run(site(running, Path(folder) / "desk"))
        with serving(one), baseline(running, Path(folder)) as bare_port:
            ways = {"ours": (one.port, one.path), "bare": (bare_port, "/take")}
            for way, (port, path) in ways.items():
                _rate(port, path, f"warm-{way}", 32, 1_000)
            found = {connections: {way: list[float]() for way in ways} for connections in CONNECTIONS}
            for number in range(ROUNDS):
                for connections in CONNECTIONS:
                    for way, (port, path) in ways.items():
                        rate = _rate(port, path, f"{way}-{connections}-{number}", connections, REQUESTS)
                        found[connections][way].append(rate)
    figures = {f"door_{connections}": _figure(rates["ours"], rates["bare"]) for connections, rates in found.items()}
    worse = min(figures.values(), key=lambda one: float(one["ratio"] or 0))
    return {"door": worse, **figures}


def _rate(port: int, path: str, prefix: str, connections: int, requests: int) -> float:
    load = Load(port=port, path=path, secret=SIGNING, prefix=prefix, connections=connections, requests=requests)
    return requests / drive(load).seconds


def _figure(ours: list[float], bare: list[float]) -> Figure:
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return figure(median(ours), "requests/s", median(bare), median(ratios))
