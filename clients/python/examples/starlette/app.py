"""A small shop: visitors have a cart, log in, see their devices and log out everywhere.

    pip install '.[starlette]' uvicorn jinja2 python-multipart && uvicorn --app-dir examples/starlette app:app

Any name will do, with the password "demo".
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from sessiond.starlette import SessiondMiddleware, device_labels

templates = Jinja2Templates(directory=Path(__file__).parent.parent / "templates")


async def page(request, template, **context):
    """A page whose forms bring a token of this session."""
    session = request.session
    context |= {"principal": session.principal, "csrf_token": await session.csrf_token()}
    return templates.TemplateResponse(request, template, context)


async def form_of(request):
    """The form, if it brings a token of this session."""
    form = await request.form()
    if not await request.session.verify_csrf_token(form.get("csrf_token")):
        raise HTTPException(403)
    return form


def see(path):
    return RedirectResponse(path, 303)


async def home(request):
    session = request.session
    session["visits"] = session.get("visits", 0) + 1
    return await page(request, "home.html", cart=session.get("cart", []), visits=session["visits"])


async def put_in_cart(request):
    form = await form_of(request)
    # A change within the list is noticed.
    request.session.setdefault("cart", []).append(form["item"])
    return see("/")


async def set_setting(request):
    """Requests that set different names at the same time all win."""
    form = await form_of(request)
    request.session[f"setting.{request.path_params['name']}"] = form["value"]
    return Response(status_code=204)


async def settings(request):
    prefix = "setting."
    values = {key.removeprefix(prefix): value for key, value in request.session.items() if key.startswith(prefix)}
    return JSONResponse(values)


async def log_in(request):
    form = await form_of(request)
    if not form["name"] or form["password"] != "demo":
        raise HTTPException(401)
    # The session gets a new ID, the user and the device in one step, and keeps the cart.
    request.session.principal = form["name"]
    return see("/")


async def log_out(request):
    await form_of(request)
    request.session.end()
    return see("/")


async def devices(request):
    if request.session.principal is None:
        raise HTTPException(401)
    return await page(request, "devices.html", devices=await request.session.devices())


async def end_device(request):
    form = await form_of(request)
    await request.session.end_device(form["handle"])
    return see("/devices" if request.session.principal else "/")


async def end_others(request):
    await form_of(request)
    await request.session.end_others()
    return see("/devices")


async def log_out_everywhere(request):
    await form_of(request)
    await request.session.end_all()
    return see("/")


app = Starlette(
    routes=[
        Route("/", home),
        Route("/cart", put_in_cart, methods=["POST"]),
        Route("/settings", settings),
        Route("/settings/{name}", set_setting, methods=["POST"]),
        Route("/log-in", log_in, methods=["POST"]),
        Route("/log-out", log_out, methods=["POST"]),
        Route("/devices", devices),
        Route("/devices/end", end_device, methods=["POST"]),
        Route("/devices/end-others", end_others, methods=["POST"]),
        Route("/log-out-everywhere", log_out_everywhere, methods=["POST"]),
    ],
    # SESSIOND_ADDR, SESSIOND_NAMESPACE, SESSIOND_TIMEOUT and what TLS needs are read from the environment.
    middleware=[Middleware(SessiondMiddleware, labels=device_labels)],
)
