"""Run a command with a throw-away PostgreSQL 15 of the system behind OMNIDESK_TEST_DATABASE_URL.

    python -m tests.pg15 pytest tests/db

Without Debian's `postgresql-15` it says so and runs nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")


def main(command: list[str]) -> int:
    if not (BIN / "postgres").exists():
        print("skipped: PostgreSQL 15 is not installed on this machine")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="omnidesk-pg15-", dir="/var/tmp"))
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    run = {"cwd": folder, "stdout": subprocess.DEVNULL, "check": True}
    subprocess.run(
        [*as_user, BIN / "initdb", "-D", data, "-U", "omnidesk", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust"], **run
    )  # type: ignore[call-overload]
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=300"
    try:
        subprocess.run(
            [*as_user, BIN / "pg_ctl", "-D", data, "-l", folder / "log", "-o", settings, "-w", "start"], **run
        )  # type: ignore[call-overload]
        url = f"postgresql://omnidesk@/postgres?host={folder}"
        return subprocess.run(command, env={**os.environ, "OMNIDESK_TEST_DATABASE_URL": url}, check=False).returncode
    finally:
        subprocess.run([*as_user, BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop"], cwd=folder, check=False)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
