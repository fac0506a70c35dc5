"""Containers without an engine, for the tests of deploy/.

A container here is a process as an engine would start it, as far as Linux itself can do that: with a user, an environment and volumes
of its own, no new privileges, and a root file system that can't be written to. The root file system is this machine's, with the
container's program in it. All share one network, in which nothing else is. Whoever uses this calls enter() first.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools/schemas/bin"
SKIPPED = 77
PATIENCE = 60.0
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def step(text):
    print(f"--- {text}", flush=True)


def check(holds, otherwise):
    if not holds:
        sys.exit(f"FAILED: {otherwise}")


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def eventually(what, condition):
    """Returns what the condition returns, once that is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        check(time.monotonic() < deadline, f"waited in vain until {what}")
        time.sleep(0.1)
    return found


def enter():
    """Starts the program again, with the Python that has the schemas, in namespaces that end with it, together with all that it starts.

    Where that can't be done it says why, and ends the program with exit code 77.
    """
    if "inside" in sys.argv:
        run("ip", "link", "set", "lo", "up")
        return
    if os.geteuid() != 0:
        print("only root can start containers")
        sys.exit(SKIPPED)
    if subprocess.run([*NAMESPACES, "ip", "link", "set", "lo", "up"], capture_output=True).returncode:
        print("this machine allows no namespaces")
        sys.exit(SKIPPED)
    run(ROOT / "tests/install-tools", "schemas", stdout=sys.stderr)
    sys.exit(subprocess.run([*NAMESPACES, TOOLS / "python", *sys.argv, "inside"]).returncode)


class Machine:
    """The containers of a test, in a folder."""

    def __init__(self, work):
        self.work, self.containers = pathlib.Path(work), {}
        # The layers of the root file systems can't be on another overlay.
        run("mount", "-t", "tmpfs", "tmpfs", work)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            for container in self.containers.values():
                container.show_log()
        for container in self.containers.values():
            container.kill()
        run("umount", "--recursive", "--lazy", self.work)

    def folder(self, name, owner="0:0", mode=0o755):
        """A folder that can be mounted into containers."""
        folder = self.work / "folders" / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, *map(int, owner.split(":")))
        folder.chmod(mode)
        return folder

    def container(self, name, *arguments, **options):
        self.containers[name] = Container(self.work, name, *arguments, **options)
        return self.containers[name]


class Container:
    """A container with a program in it; user is UID:GID, groups are more of them."""

    def __init__(self, work, name, program, path, user, environment, groups="", files=1024):
        self.name, self.user, self.groups, self.files = name, user, groups, files
        self.environment = {"PATH": PATH, **environment}
        self.root, self.log = work / "roots" / name, work / f"{name}.log"
        self.process = None
        upper, layer = work / "layers" / name / "upper", work / "layers" / name / "work"
        for folder in (self.root, upper, layer):
            folder.mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={layer}", self.root)
        for folder in ("dev", "proc"):
            run("mount", "--rbind", f"/{folder}", self.inside(folder))
        self.inside(path).unlink(missing_ok=True)
        self.inside(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, self.inside(path))

    def inside(self, path):
        return self.root / path.lstrip("/")

    def names(self, *hosts):
        """Names of this machine."""
        self.inside("etc/hosts").write_text(f"127.0.0.1 localhost {' '.join(hosts)}\n")

    def mount(self, source, target, read_only=False):
        target = self.inside(target)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        run("mount", "--bind", source, target)
        if read_only:
            run("mount", "-o", "remount,bind,ro", target)

    def seal(self):
        """From now on, only volumes can be written to."""
        run("mount", "-o", "remount,ro", self.root)

    def _command(self, command):
        inner = f'ulimit -n {self.files}; exec chroot --userspec {self.user} --groups="{self.groups}" {self.root} "$@"'
        return ["setpriv", "--no-new-privs", "bash", "-c", inner, "start", *command]

    def start(self, *command):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command(command), env=self.environment, stdout=log, stderr=log)

    def run(self, *command):
        """Runs another command in it, and returns what it printed; None if it failed."""
        done = subprocess.run(self._command(command), env=self.environment, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def stop(self, *expected):
        """Ends it as an engine does; 0 and the codes that are given are good."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
        check(code in (0, *expected), f"{self.name} ended with exit code {code}")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def show_log(self):
        if self.log.exists():
            print(f"{self.name}:\n" + "\n".join(self.log.read_text().splitlines()[-20:]), file=sys.stderr)
