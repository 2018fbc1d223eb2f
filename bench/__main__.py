"""`make bench`, or `python -m bench [--quick] [name …]`: measure, print a table, keep it in bench/results.

`--quick` takes one round instead of five and keeps nothing: for a look while one works.

`latest.json` maps each name to `{value, unit, baseline, ratio}`, and to when, at which commit and under what load
it was measured; figures that were not measured again stay. `latest.md` is the same as a table.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

QUICK = "--quick"
RESULTS = Path(__file__).parent / "results"
BENCHES = ("door", "intake", "sse", "plan", "standing", "mail")
BUDGETS = {
    "door": "≥ 1.0 ×",
    "door_32": "≥ 1.0 ×",
    "door_128": "≥ 1.0 ×",
    "intake": "≥ 0.4 ×",
    "sse_latency": "< 250 ms",
    "plan_full": "< 1 s",
    "plan_increment": "< 1 ms",
    "start": "< 5 s",
    "memory": "< 150 MiB",
    "memory_sse_client": "≤ 64 KiB",
}

Figure = dict[str, Any]


def main(wanted: list[str]) -> None:
    quick = QUICK in wanted
    if quick:
        os.environ["BENCH_ROUNDS"] = "1"
        wanted = [name for name in wanted if name != QUICK]
    unknown = sorted(set(wanted) - set(BENCHES))
    if unknown:
        sys.exit(f"There is no benchmark {unknown[0]}; there are {', '.join(BENCHES)}.")
    for name in wanted or BENCHES:
        began = time.monotonic()
        measured = _measured(name)
        if not quick:
            _keep(measured)
        for each, found in measured.items():
            print(_line(each, found), flush=True)
        print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)


def _measured(name: str) -> dict[str, Figure]:
    before = os.getloadavg()[0]
    run: Callable[[], dict[str, Figure]] = __import__(f"bench.{name}", fromlist=["run"]).run
    found = run()
    when = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
    }
    return {each: figure | when for each, figure in found.items()}


def _commit() -> str:
    """The commit that was measured; a + says that the tree differed from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def _machine() -> str:
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line), "unknown CPU")
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {ram:.0f} GiB RAM, {platform.system()}, Python {platform.python_version()}"
    )


def _keep(measured: dict[str, Figure]) -> None:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "latest.json"
    known: dict[str, Figure] = json.loads(file.read_text()) if file.exists() else {}
    known |= measured
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    rows = "\n".join(
        f"| {name} | {_said(found)} | {_beside(found)} | {BUDGETS.get(name, '')} | {found['at'][:16]} | "
        f"{found['commit']} | {found['load'][0]}-{found['load'][1]} |"
        for name, found in known.items()
    )
    (RESULTS / "latest.md").write_text(
        f"# Measured by `make bench`\n\n{_machine()}. Medians of five (memory: one look;"
        " a ratio is the median of the five ratios), each beside its baseline in the same run;"
        " load is the machine's load average before and after.\n\n"
        "| name | measured | baseline, ratio | budget | at (UTC) | commit | load |\n|---|---|---|---|---|---|---|\n"
        f"{rows}\n"
    )


def _said(found: Figure) -> str:
    extras = "".join(f", {key} {found[key]}" for key in ("p50", "per_second") if key in found)
    return f"{found['value']} {found['unit']}{extras}"


def _beside(found: Figure) -> str:
    return "" if found["baseline"] is None else f"{found['baseline']}, {found['ratio']} ×"


def _line(name: str, found: Figure) -> str:
    return f"{name:<18} {_said(found):<46} {_beside(found):<24} {BUDGETS.get(name, '')}"


if __name__ == "__main__":
    main(sys.argv[1:])
