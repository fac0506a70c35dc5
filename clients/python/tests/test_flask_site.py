"""The example shop of Flask over HTTP, under flask run and gunicorn, with real cookies and a server that is killed."""

import pytest
import shop_tests
from server import Server
from websites import EXAMPLES, Browser, FormShop, running

FLASK_RUN = ("flask", "--app", "app", "run", "--no-debugger", "--port", "PORT")
# --preload makes the extension and its client before the workers are forked.
WORKERS = ("--preload", "--no-control-socket", "--workers=2", "--threads=8")
GUNICORN = ("gunicorn", *WORKERS, "--bind=127.0.0.1:PORT", "app:app")


def shop_of(server, folder, command=FLASK_RUN, **env):
    return running(server, folder, *command, cwd=EXAMPLES / "flask", namespace=shop_tests.NAMESPACE, **env)


@pytest.fixture(scope="module")
def site(server, tmp_path_factory):
    with shop_of(server, tmp_path_factory.mktemp("flask")) as site:
        yield site


@pytest.fixture
def visit(site):
    return lambda: FormShop(Browser(site))


def test_log_in_keeps_the_cart_under_a_new_id(visit, server):
    shop_tests.log_in_keeps_the_cart_under_a_new_id(visit(), server)


def test_wrong_password_and_missing_token_are_refused(visit):
    shop_tests.wrong_password_and_missing_token_are_refused(visit())


def test_log_out_is_final(visit):
    shop_tests.log_out_is_final(visit())


def test_devices_are_listed_and_ended(visit):
    shop_tests.devices_are_listed_and_ended([visit() for _ in range(4)])


def test_nobody_ends_the_session_of_another(visit, server):
    shop_tests.nobody_ends_the_session_of_another(visit(), visit(), server)


def test_parallel_requests_all_win(visit):
    shop_tests.parallel_requests_all_win(visit())


def test_workers_that_are_forked(server, tmp_path):
    with shop_of(server, tmp_path, GUNICORN) as site:
        shop_tests.parallel_requests_all_win(FormShop(Browser(site)))
        shop_tests.log_out_is_final(FormShop(Browser(site)))


def test_a_killed_store_loses_nothing(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        with shop_of(server, tmp_path, SESSIOND_TIMEOUT="1") as site:
            shop_tests.a_killed_store_loses_nothing(FormShop(Browser(site)), server, site.log)
    finally:
        server.kill()
