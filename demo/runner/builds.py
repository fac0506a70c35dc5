"""Builds sessiond and the sites, and reuses what is built already. What can't be built says what is missing."""

import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
CLIENTS = ROOT / "clients"


Commands = list[list[str]]


class Missing(Exception):
    """Something can't be built here; the text says why, and what to do."""


class Build:
    """How the parts of this run are built."""

    def __init__(self, work: Path, is_debug: bool):
        self._work = work
        self._is_debug = is_debug
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self._binaries = ROOT / target / ("debug" if is_debug else "release")

    def sessiond(self) -> str:
        """The server: the one that SESSIOND_BIN names, or the one of this repository."""
        named = os.environ.get("SESSIOND_BIN")
        if named:
            if not os.access(named, os.X_OK):
                raise Missing(f"SESSIOND_BIN is {named}, which can't be run")
            return str(Path(named).resolve())
        self._cargo("sessiond", "server")
        return str(self._binaries / "sessiond")

    def axum(self) -> Commands:
        self._cargo("sessiond-demo-axum", "demo_axum")
        return [[str(self._binaries / "sessiond-demo-axum")]]

    def _cargo(self, package: str, test: str) -> None:
        need("cargo", "Rust 1.89 or newer")
        need("cc", "a C compiler")
        if self._is_debug:
            # As for the tests of the workspace: another selection would compile half the libraries again.
            command = ["cargo", "test", "--workspace", "--locked", "--no-run", "--test", test]
        else:
            command = ["cargo", "build", "--release", "--locked", "--package", package]
        self._run(package, command, ROOT)

    def django(self) -> Commands:
        python = str(self._python())
        # Django has a table of users.
        migrate = [python, "manage.py", "migrate", "--run-syncdb", "--verbosity=0"]
        return [migrate, [python, "manage.py", "runserver", "127.0.0.1:{port}", "--noreload"]]

    def _python(self) -> Path:
        """The Python of the client's own tests, if it is there; otherwise one with the client as users have it."""
        ours = CLIENTS / "python/.venv/bin/python"
        if can_import(ours):
            return ours
        python = DEMO / ".venv/bin/python"
        if not can_import(python):
            need("cargo", "Rust 1.89 or newer, which builds the client's native core")
            self._run("Django", [sys.executable, "-m", "venv", "--clear", str(DEMO / ".venv")], ROOT)
            self._run("Django", [str(python), "-m", "pip", "install", "--quiet", f"{CLIENTS / 'python'}[django]"], ROOT)
        return python

    def express(self) -> Commands:
        node = need("node", "Node.js 20 or newer")
        need("npm", "npm")
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        if int(version.lstrip("v").split(".")[0]) < 20:
            raise Missing(f"Node.js is {version}; 20 or newer is needed")
        client = CLIENTS / "node"
        self._npm_ci(client)
        if newest([client / "src"]) > newest([client / "dist"]):
            self._run("Express", ["node", "scripts/build.mjs"], client)
        self._npm_ci(DEMO)
        return [[node, "express/app.mjs"]]

    def _npm_ci(self, folder: Path) -> None:
        """Installs what the lock file says; a stamp rather than the folder says that it is done."""
        lock, stamp = folder / "package-lock.json", folder / "node_modules/.installed"
        if not stamp.exists() or not filecmp.cmp(lock, stamp, shallow=False):
            self._run("Express", ["npm", "ci", "--silent", "--ignore-scripts"], folder)
            shutil.copy(lock, stamp)

    def go(self) -> Commands:
        need("go", "Go 1.26 or newer")
        binary = DEMO / "go/.build/demo"
        self._run("Go", ["go", "build", "-o", str(binary), "."], DEMO / "go")
        return [[str(binary)]]

    def spring(self) -> Commands:
        java = need("java", "Java 17 or newer")
        need("javac", "a JDK, 17 or newer")
        need("mvn", "Maven 3.8 or newer")
        libraries = [CLIENTS / f"java/{name}" for name in ("client", "spring-session")]
        sources = newest(path for library in libraries for path in (library / "src", library / "pom.xml"))
        library = CLIENTS / "java/spring-session/target/spring-session-sessiond-0.1.0-SNAPSHOT.jar"
        if sources > newest([library]):
            install = ["install", "-DskipTests", "-Dspotless.check.skip=true"]
            self._run("Spring", [*MAVEN, *install], CLIENTS / "java")
            # Maven leaves a file alone that would be the same.
            library.touch()
        site, jar = DEMO / "spring", DEMO / "spring/target/demo-spring.jar"
        if max(newest([library]), newest([site / "src", site / "pom.xml"])) > newest([jar]):
            self._run("Spring", [*MAVEN, "package"], site)
            jar.touch()
        # A small site: it starts sooner so, in less memory.
        return [[java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx192m", "-jar", str(jar)]]

    def _run(self, name: str, command: list[str], folder: Path) -> None:
        log = self._work / f"logs/build-{name}.log"
        print(f"building {name}: {' '.join(shown(part) for part in command)}", flush=True)
        with log.open("ab") as output:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        if done.returncode != 0:
            raise Missing(f"{Path(command[0]).name} failed: see {log}")


MAVEN = ["mvn", "--batch-mode", "--no-transfer-progress", "--quiet"]


def need(tool: str, what: str) -> str:
    """Where a tool is."""
    found = shutil.which(tool)
    if not found:
        raise Missing(f"{tool} is not installed: {what}")
    return found


def can_import(python: Path) -> bool:
    command = [str(python), "-c", "import django, sessiond._native"]
    return python.exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0


def newest(paths: Iterable[Path]) -> float:
    """When the newest of these files, and of those below these folders, was changed; 0 if there is none."""
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
    return max((file.stat().st_mtime for file in files), default=0.0)


def shown(part: str) -> str:
    return part.replace(f"{ROOT}/", "")
