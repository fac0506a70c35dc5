"""The sites, and where they are: each is a program that gets all it needs to know as environment variables."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.builds import DEMO, Build, Commands
from runner.processes import Process, clean_environment

SHOP = "shop.localhost"


@dataclass(frozen=True)
class Site:
    """A site. `offset` says which port is its own; `build` answers its commands, of which the last serves it."""

    name: str
    host: str
    offset: int
    folder: Path
    build: Callable[[Build], Commands]


SITES = [
    Site("Django", f"django.{SHOP}", 1, DEMO / "django", Build.django),
    Site("Express", f"express.{SHOP}", 2, DEMO, Build.express),
    Site("Go", f"go.{SHOP}", 3, DEMO / "go", Build.go),
    Site("Spring", f"spring.{SHOP}", 4, DEMO / "spring", Build.spring),
    Site("axum", f"axum.{SHOP}", 5, DEMO / "axum", Build.axum),
]
# The same program as the Go site.
FORUM = Site("Forum", "forum.localhost", 6, DEMO / "go", Build.go)


class Place:
    """Where everything of one run is."""

    def __init__(self, work: Path, first_port: int, built: dict[Site, Commands]):
        self.work = work
        self._built = built
        self.sites = [site for site in built if site is not FORUM]
        self.forum = FORUM if FORUM in built else None
        self.portal_port = first_port
        self.server_port = first_port + 7
        self.portal = f"http://{SHOP}:{first_port}"

    def all(self) -> list[Site]:
        return list(self._built)

    def port(self, site: Site) -> int:
        return self.portal_port + site.offset

    def origin(self, site: Site) -> str:
        return f"http://{site.host}:{self.port(site)}"

    def addresses(self) -> dict[str, str]:
        return {"portal": self.portal, **{site.name: self.origin(site) for site in self.all()}}

    def process(self, site: Site) -> Process:
        port = str(self.port(site))
        environment = {
            **clean_environment(),
            "SESSIOND_ADDR": f"127.0.0.1:{self.server_port}",
            "DEMO_NAME": site.name,
            "DEMO_PORT": port,
            "DEMO_ORIGIN": self.origin(site),
            "DEMO_DOMAIN": "" if site is self.forum else SHOP,
            "DEMO_SITES": " ".join(f"{other.name}={self.origin(other)}" for other in self.sites),
            "DEMO_PORTAL": self.portal,
            "DEMO_FORUM": self.origin(self.forum) if self.forum else "",
            "DEMO_SECRET": secrets.token_urlsafe(32),
            "DEMO_WORK": str(self.work),
        }
        commands = [[part.replace("{port}", port) for part in command] for command in self._built[site]]
        log = self.work / f"logs/{site.name}.log"
        return Process(site.name, commands, site.folder, environment, log, self.origin(site))
