"""One server for the whole run, and servers of their own for the tests that end, pause or restart them."""

import sys
from pathlib import Path

import django
import pytest
import sites
from server import Server

from sessiond import Tls

pytest_plugins = ["access", "certificates", "transports"]

DJANGO_TESTS = sites.PYTHON_CLIENT / ".cache" / f"django-{django.__version__}" / "tests"
if not (DJANGO_TESTS / "sessions_tests").is_dir():
    raise pytest.UsageError(f"{DJANGO_TESTS} is missing: run ./test, which downloads it")
sys.path.insert(0, str(DJANGO_TESTS))
sites.configure()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("shared") / "data").start()
    yield running
    running.kill()


@pytest.fixture
def own_server(tmp_path: Path):
    running = Server(tmp_path / "data").start()
    yield running
    running.resume()
    running.kill()


@pytest.fixture(scope="session", autouse=True)
def django_site(server):
    """Django's settings name the shared server, and its test database exists."""
    from django.conf import settings
    from django.test.utils import setup_databases, setup_test_environment, teardown_databases, teardown_test_environment

    settings.SESSIOND_ADDR = server.address
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(databases, verbosity=0)
    teardown_test_environment()


@pytest.fixture(scope="session")
def tls_server(certificates, tmp_path_factory):
    """One that speaks TLS, and asks its clients for no certificate."""
    data = tmp_path_factory.mktemp("tls") / "data"
    running = Server(data, settings=certificates.server(), tls=Tls(ca_file=certificates.ca)).start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def asking_server(certificates, tmp_path_factory):
    """One that speaks TLS with clients that have a certificate."""
    data = tmp_path_factory.mktemp("asking") / "data"
    running = Server(data, settings=certificates.server(asks_clients=True), tls=certificates.client()).start()
    yield running
    running.kill()
