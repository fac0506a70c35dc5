"""The API of a small shop: visitors have a cart, log in, see their devices and log out everywhere.

    pip install '.[fastapi]' uvicorn && uvicorn --app-dir examples/fastapi app:app

Any name will do, with the password "demo". Scripts of the same site get a token at /csrf-token, and send it in the
header x-csrf-token with every request that changes something.
"""

from datetime import datetime
from typing import Annotated

from fastapi import Body, Depends, FastAPI, HTTPException
from pydantic import BaseModel

from sessiond.fastapi import (
    CurrentPrincipal,
    CurrentSession,
    SessiondMiddleware,
    device_labels,
    require_csrf_token,
)

app = FastAPI(title="Shop", dependencies=[Depends(require_csrf_token)])
# SESSIOND_ADDR, SESSIOND_NAMESPACE, SESSIOND_TIMEOUT and what TLS needs are read from the environment.
app.add_middleware(SessiondMiddleware, labels=device_labels)

Text = Annotated[str, Body(embed=True, min_length=1)]


class Home(BaseModel):
    principal: str | None
    visits: int
    cart: list[str]


class Device(BaseModel):
    handle: str
    is_current: bool
    labels: dict[str, str]
    last_access_time: datetime


@app.get("/csrf-token")
async def csrf_token(session: CurrentSession) -> str:
    return await session.csrf_token()


@app.get("/")
async def home(session: CurrentSession) -> Home:
    session["visits"] = session.get("visits", 0) + 1
    return Home(principal=session.principal, visits=session["visits"], cart=session.get("cart", []))


@app.post("/cart")
def put_in_cart(session: CurrentSession, item: Text) -> list[str]:
    # A change within the list is noticed.
    session.setdefault("cart", []).append(item)
    return session["cart"]


@app.post("/settings/{name}", status_code=204)
def set_setting(session: CurrentSession, name: str, value: Text) -> None:
    """Requests that set different names at the same time all win."""
    session[f"setting.{name}"] = value


@app.get("/settings")
def settings(session: CurrentSession) -> dict[str, str]:
    prefix = "setting."
    return {key.removeprefix(prefix): value for key, value in session.items() if key.startswith(prefix)}


@app.post("/log-in")
def log_in(session: CurrentSession, name: Text, password: Text) -> str:
    if password != "demo":
        raise HTTPException(401)
    # The session gets a new ID, the user and the device in one step, and keeps the cart.
    session.principal = name
    return f"Hello, {name}"


@app.post("/log-out", status_code=204)
def log_out(session: CurrentSession) -> None:
    session.end()


@app.get("/devices")
async def devices(session: CurrentSession, principal: CurrentPrincipal) -> list[Device]:
    return [Device.model_validate(device, from_attributes=True) for device in await session.devices()]


@app.post("/devices/end")
async def end_device(session: CurrentSession, principal: CurrentPrincipal, handle: Text) -> bool:
    return await session.end_device(handle)


@app.post("/devices/end-others")
async def end_others(session: CurrentSession, principal: CurrentPrincipal) -> int:
    return await session.end_others()


@app.post("/log-out-everywhere")
async def log_out_everywhere(session: CurrentSession, principal: CurrentPrincipal) -> int:
    return await session.end_all()
