"""Django's own suites of all that uses sessions, unchanged, with this engine for the whole project.

They run in processes of their own, with Django's runner. Nothing may fail that passes with the database engine, but for
what counts the queries of the database or reads the table of that engine.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sites
from conftest import DJANGO_TESTS
from server import Server

# Each group is a process.
GROUPS = [
    ["admin_views"],
    ["auth_tests"],
    ["sessions_tests", "csrf_tests", "messages_tests", "test_client", "test_client_regress"],
]
# These count queries, among them the one by which the database engine reads the session.
COUNT_QUERIES = {
    "admin_views.tests.AdminCustomQuerysetTest.test_changelist_view_count_queries",
    "admin_views.tests.AdminSearchTest.test_no_total_count",
    "admin_views.tests.AdminSearchTest.test_reset_link",
    "admin_views.tests.GroupAdminTest.test_group_permission_performance",
    "admin_views.tests.UserAdminTest.test_user_permission_performance",
}
# Reads the session's row; test_engine.py has its twin.
READS_THE_TABLE = {"sessions_tests.tests.SessionMiddlewareTests.test_empty_session_saved"}

FAILED = re.compile(r"^(?:FAIL|ERROR): \w+ \(([\w.]+)\)", re.MULTILINE)
RAN = re.compile(r"^Ran (\d+) tests", re.MULTILINE)
FEWER = re.compile(r"AssertionError: (\d+) != (\d+) : \d+ queries executed, \d+ expected")


def start(suites: list[str], engine: str, address: str, log: Path) -> subprocess.Popen:
    env = {
        **os.environ,
        "PYTHONPATH": str(sites.PYTHON_CLIENT / "tests"),
        "SESSIOND_ADDR": address,
        "DJANGO_ENGINE": engine,
    }
    command = [sys.executable, "runtests.py", "--settings=whole_project_settings", "--parallel=1", *suites]
    with open(log, "wb") as output:
        return subprocess.Popen(command, cwd=DJANGO_TESTS, env=env, stdout=output, stderr=subprocess.STDOUT)


def run(processes: list[subprocess.Popen]) -> None:
    try:
        for process in processes:
            # On a machine that has much else to do.
            process.wait(1_800)
    finally:
        for process in processes:
            process.kill()


@pytest.fixture
def quick_server(tmp_path):
    """Thousands of sessions need not be on disk."""
    running = Server(tmp_path / "data", settings=("--engine", "memory")).start()
    yield running
    running.kill()


def test_django_suites_with_this_engine(quick_server, tmp_path):
    logs = [tmp_path / f"{group[0]}.log" for group in GROUPS]
    run([start(group, "sessiond.django", quick_server.address, log) for group, log in zip(GROUPS, logs, strict=True)])
    output = "\n".join(log.read_text(errors="replace") for log in logs)
    assert len(RAN.findall(output)) == len(GROUPS), output[-4000:]
    assert sum(map(int, RAN.findall(output))) > 2_000

    failed = set(FAILED.findall(output)) - READS_THE_TABLE
    unexpected = failed - COUNT_QUERIES
    assert not unexpected or not fails_only_here(unexpected, tmp_path), output[-8000:]
    # Of those that count there are fewer queries than the database engine has, never more.
    counts = [(int(executed), int(expected)) for executed, expected in FEWER.findall(output)]
    assert len(counts) >= len(failed & COUNT_QUERIES)
    assert all(executed < expected for executed, expected in counts), counts


def fails_only_here(failed: set[str], tmp_path: Path) -> set[str]:
    """Those that pass with the database engine on this machine."""
    log = tmp_path / "database.log"
    run([start(sorted(failed), "django.contrib.sessions.backends.db", "127.0.0.1:1", log)])
    return failed - set(FAILED.findall(log.read_text(errors="replace")))
