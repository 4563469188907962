"""Imports run one way, orchestrators touch nothing that a replay cannot repeat, and no file grows
into a house of its own.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import activities
import orchestrators
from shared.base import names
from shared.engine.activity import Reconciler, ShortActivity
from shared.engine.orchestration import Orchestration
from triggers import routes

ROOT = Path(__file__).resolve().parent.parent

APP = ["shared", "activities", "orchestrators", "triggers"]

# Which of our own packages each may import.
ALLOWED = {
    "shared": {"shared"},
    "activities": {"activities", "shared"},
    "orchestrators": {"orchestrators", "activities", "shared"},  # activities: only to name them
    "triggers": {"triggers", "orchestrators", "activities", "shared"},
    "cli": {"cli", "local"},  # local: only to start and stop a stack
    "local": {"local"},
    "release": {"release"},
    "bench": {"bench", "local", "tests", *APP},  # tests: only their world
}
# The rooms of shared/ from the ground up: each may import those before it, and itself.
SHARED_ROOMS = ["base", "model", "azure", "store", "engine"]
OURS = set(ALLOWED) | {"function_app", "tests", "bench"}
# What an orchestrator must not touch: it would differ at the next replay, or do something twice.
FORBIDDEN_IN_ORCHESTRATORS = {
    "asyncio",
    "azure",
    "logging",
    "os",
    "random",
    "requests",
    "secrets",
    "subprocess",
    "threading",
    "time",
    "uuid",
    "shared.azure.clients",
    "shared.azure.sdk",
    "shared.store.records",
    "shared.engine.services",
    "shared.base.settings",
    "shared.store.tables",
}
# Heavy: imported in the function that uses them, so that a cold start is short.
LATE = {
    "azure.batch", "azure.core", "azure.data", "azure.identity", "azure.mgmt", "cryptography",
    "opentelemetry.sdk", "pydantic",
}  # fmt: skip
FILE_LINES_MAX = {**dict.fromkeys(ALLOWED, 400), **dict.fromkeys(APP, 350), "tests": 400}
FUNCTION_LINES_MAX = 60


def sources(package: str) -> list[Path]:
    """The Python files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, in any scope; `from a import b` counts as `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top(module: str) -> str:
    """The package that a module belongs to."""
    return module.partition(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_run_one_way(package: str) -> None:
    """A room knows only the rooms below it, so any of them can be understood by itself."""
    for path in sources(package):
        reached = {top(m) for m in imports(path)} & OURS
        assert reached <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {reached}"


@pytest.mark.parametrize("room", SHARED_ROOMS)
def test_the_rooms_of_shared_import_only_those_below(room: str) -> None:
    """There is no circle and no arrow back, so each room can be read without those above it."""
    below = SHARED_ROOMS[: SHARED_ROOMS.index(room) + 1]
    for path in sources(f"shared/{room}"):
        reached = {m.split(".")[1] for m in imports(path) if m.startswith("shared.")}
        assert reached <= set(below), f"{path.relative_to(ROOT)} imports {reached - set(below)}"


def test_every_module_of_shared_is_in_a_room() -> None:
    """A module outside the rooms would escape the rule above."""
    inside = {p.relative_to(ROOT / "shared").parts[0] for p in sources("shared")}
    assert inside == {*SHARED_ROOMS, "__init__.py"}


def test_the_client_knows_the_app_only_through_http() -> None:
    """Of the local stack it uses only what starts and stops one."""
    used = {m for p in sources("cli") for m in imports(p) if top(m) == "local" and "." in m}
    assert {m.split(".")[1] for m in used} <= {"stack"}


def test_the_measurements_share_a_world_with_the_tests_and_nothing_else() -> None:
    """And the critical path is a second opinion: it knows none of our packages."""
    used = {m for p in sources("bench") for m in imports(p) if top(m) == "tests"}
    assert {m.split(".")[1] for m in used if "." in m} == {"world"}
    assert not {top(m) for m in imports(ROOT / "bench" / "critical_path.py")} & OURS


def test_the_old_script_is_a_third_opinion() -> None:
    """It runs on the simulator and knows nothing of the app, nor of what measures the app."""
    own = {"baseline", "old_script", "old_bodies", "old_clients", "wanted"}
    for name in own:
        used = {m for m in imports(ROOT / "bench" / f"{name}.py") if top(m) in OURS}
        assert {top(m) for m in used} <= {"bench", "local"}, name
        assert {m.split(".")[1] for m in used if m.startswith("bench.")} <= own, name


def test_app_and_simulator_are_two_opinions() -> None:
    """If they shared a constant, the tests would prove nothing."""
    for package in [*APP, "function_app.py"]:
        paths = [ROOT / package] if package.endswith(".py") else sources(package)
        for path in paths:
            assert "local" not in {top(m) for m in imports(path)}, path


@pytest.mark.parametrize("path", sources("orchestrators"), ids=lambda p: p.name)
def test_orchestrators_can_be_replayed(path: Path) -> None:
    """No clock, no dice, no environment, no Azure: only values and verbs."""
    assert not imports(path) & FORBIDDEN_IN_ORCHESTRATORS
    assert "print(" not in path.read_text()


@pytest.mark.parametrize("path", sources("orchestrators"), ids=lambda p: p.name)
def test_orchestrators_name_activities_and_never_call_them(path: Path) -> None:
    """It passes an activity's description to a verb, and Durable calls the activity."""
    tree = ast.parse(path.read_text())
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [f.module for f in froms if str(f.module).startswith("activities.")]
    modules = {alias.name for f in froms if f.module == "activities" for alias in f.names}
    for node in ast.walk(tree):
        inside: ast.expr | None = None
        if isinstance(node, ast.Call):
            inside = node.func
        elif isinstance(node, ast.Attribute) and node.attr != "name":
            inside = node.value
        if isinstance(inside, ast.Attribute) and isinstance(inside.value, ast.Name):
            assert inside.value.id not in modules, f"{path.name}:{node.lineno}: only name it"


@pytest.mark.parametrize("package", ["shared/azure", "activities"])
def test_nothing_private_of_an_sdk_is_used(package: str) -> None:
    """A private member of a client may be another in its next release: only one's own are used."""
    for path in sources(package):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                private = owner not in {"self", "cls"} and not node.attr.startswith("__")
                assert not private, f"{path.relative_to(ROOT)}:{node.lineno} {node.attr}"


def test_only_settings_reads_the_environment() -> None:
    """So that the list of settings is complete. One is read before the app has any settings."""
    for package in APP:
        for path in sources(package):
            if path.name not in {"settings.py", "sign_in.py"}:
                assert "os" not in imports(path), path


def test_every_log_line_passes_the_redaction() -> None:
    """A module gets its log from `shared/base/logs.py`; the spans read those of all modules."""
    own = {"shared/base/logs.py", "shared/azure/tracing.py"}
    using = {p for package in APP for p in sources(package) if "getLogger" in p.read_text()}
    assert {str(path.relative_to(ROOT)) for path in using} == own


def test_heavy_sdks_are_imported_where_they_are_used() -> None:
    """A cold start pays for what every request needs, and for nothing else."""
    heavy = ("azure.mgmt", "azure.batch", "azure.identity", "azure.storage", "azure.data")
    for package in APP:
        for path in sources(package):
            for node in ast.parse(path.read_text()).body:
                modules = []
                if isinstance(node, ast.Import):
                    modules = [a.name for a in node.names]
                elif isinstance(node, ast.ImportFrom):
                    modules = [node.module or ""]
                assert not [m for m in modules if m.startswith(heavy)], f"{path}: {modules}"


@pytest.mark.parametrize("package", [*ALLOWED, "tests"])
def test_files_and_functions_stay_small(package: str) -> None:
    """What does not fit a screen or two is two things."""
    for path in sources(package):
        text = path.read_text()
        assert len(text.splitlines()) <= FILE_LINES_MAX[package], path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= FUNCTION_LINES_MAX, f"{path}: {node.name} has {lines} lines"


def test_the_documentation_names_every_route() -> None:
    """A route that no page names does not exist for a reader."""
    page = (ROOT / "docs" / "api.md").read_text()
    missing = [r.path for r in routes.ROUTES if f"`/api/{r.path}`" not in page]
    assert missing == []


@pytest.mark.parametrize("package", [*APP, "cli", "local", "bench", "release"])
def test_the_words_are_plain(package: str) -> None:
    """Words that hide who does what to what: the sentence gets a subject and a verb instead."""
    hiding = re.compile(r"\b(told|whoever|nobody)\b", re.IGNORECASE)
    for path in sources(package):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not hiding.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_the_readme_is_short_and_begins_with_two_commands() -> None:
    """A newcomer reads one screen before the first command, and ten minutes in all."""
    readme = (ROOT / "README.md").read_text()
    assert len(readme.split()) <= 700
    first_screen = "\n".join(readme.splitlines()[:20])
    assert "make run" in first_screen
    assert "make test" in first_screen


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda p: p.name
)
def test_a_link_leads_to_a_file(page: Path) -> None:
    """Documents move; the links to them must move as well."""
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    files = [link for link in links if not link.startswith("http")]
    assert [link for link in files if not (page.parent / link).exists()] == []


def test_these_rules_are_not_vacuous() -> None:
    """The checks above look at real files and at real imports."""
    assert len(sources("orchestrators")) > 4
    assert "shared.engine.workflow" in {m for p in sources("orchestrators") for m in imports(p)}
    assert any(
        m.startswith("azure.mgmt") for m in imports(ROOT / "shared" / "azure" / "clients.py")
    )


def test_no_sdk_and_no_room_is_imported_at_start() -> None:
    """Most calls of the app need one of a dozen SDKs and a few modules; a cold start needs none."""
    script = "import sys, function_app; print(*sys.modules)"
    line = [sys.executable, "-c", script]
    printed = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    loaded = set(printed.split())
    assert loaded & LATE == set()
    assert {m for m in loaded if top(m) in APP} == {
        *APP, "shared.base", "shared.base.names", "shared.base.sign_in",
        "triggers.roles", "triggers.route", "triggers.routes",
    }  # fmt: skip


def test_what_is_imported_late_is_there() -> None:
    """The tables of entry points name what exists, under the name it is registered under."""
    assert [activities.find(name).name for name in activities.ACTIVITIES] == [
        *activities.ACTIVITIES
    ]
    described = {
        activity.name
        for path in sources("activities")
        for activity in vars(importlib.import_module(f"activities.{path.stem}")).values()
        if isinstance(activity, Reconciler | ShortActivity)
    }
    assert described == set(activities.ACTIVITIES)
    assert set(orchestrators.ORCHESTRATORS) == set(names.Orchestrator)
    for name in orchestrators.ORCHESTRATORS:
        found = orchestrators.find(name)
        body = found.body if isinstance(found, Orchestration) else found
        assert inspect.isgeneratorfunction(body), name
        assert getattr(found, "name", name.value) == name.value
    for route in routes.ROUTES:
        assert callable(route.find_handler()), route
        assert (route.find_body() is None) == (route.body is None), route
