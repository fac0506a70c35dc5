"""The example shop of FastAPI over HTTP, under uvicorn, with real cookies and a real server that is killed."""

import pytest
import shop_tests
from server import Server
from websites import EXAMPLES, Browser, JsonShop, running

UVICORN = ("uvicorn", "app:app", "--port", "PORT")


def shop_of(server, folder, *options, **env):
    command = (*UVICORN, *options)
    return running(server, folder, *command, cwd=EXAMPLES / "fastapi", namespace=shop_tests.NAMESPACE, **env)


@pytest.fixture(scope="module")
def site(server, tmp_path_factory):
    with shop_of(server, tmp_path_factory.mktemp("fastapi")) as site:
        yield site


@pytest.fixture
def visit(site):
    return lambda: JsonShop(Browser(site))


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


def test_a_killed_store_loses_nothing(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        with shop_of(server, tmp_path, SESSIOND_TIMEOUT="1") as site:
            shop_tests.a_killed_store_loses_nothing(JsonShop(Browser(site)), server, site.log)
    finally:
        server.kill()
