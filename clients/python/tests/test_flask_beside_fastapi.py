"""One visitor has one session in all of a site's services, whatever their frameworks."""

import shop_tests
from websites import EXAMPLES, Browser, FormShop, JsonShop, running


def test_one_session_for_three_frameworks(server, tmp_path):
    commands = {
        "flask": ("flask", "--app", "app", "run", "--port", "PORT"),
        "starlette": ("uvicorn", "app:app", "--port", "PORT"),
        "fastapi": ("uvicorn", "app:app", "--port", "PORT"),
    }

    def site(name):
        folder = tmp_path / name
        folder.mkdir()
        return running(server, folder, *commands[name], cwd=EXAMPLES / name, namespace=shop_tests.NAMESPACE)

    with site("flask") as flask_site, site("starlette") as starlette_site, site("fastapi") as fastapi_site:
        flask_shop = FormShop(Browser(flask_site))
        flask_shop.act("/cart", item="tea")
        flask_shop.act("/log-in", name="barbara", password="demo")
        starlette_shop = FormShop(flask_shop.browser.copy(starlette_site))
        fastapi_shop = JsonShop(flask_shop.browser.copy(fastapi_site))
        starlette_shop.act("/cart", item="milk")
        fastapi_shop.act("/cart", item="sugar")
        for shop in (flask_shop, starlette_shop, fastapi_shop):
            assert (shop.principal(), shop.cart()) == ("barbara", ["tea", "milk", "sugar"])
            assert shop.device_count() == 1
        fastapi_shop.act("/log-out")
        assert [shop.principal() for shop in (flask_shop, starlette_shop, fastapi_shop)] == [None] * 3
