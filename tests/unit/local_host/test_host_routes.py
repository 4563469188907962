"""Which function a path leads to."""

from types import SimpleNamespace

import pytest

from local.functions_host.functions import AppRefused
from local.functions_host.routes import Router


def router(*templates):
    functions = [
        SimpleNamespace(name=each, trigger=SimpleNamespace(route=each, methods=None))
        for each in templates
    ]
    return Router(functions, "api")


FOUND = {
    "a literal": (["builds"], "/api/builds", "builds", {}),
    "a trailing slash": (["builds"], "/api/builds/", "builds", {}),
    "the first name": (["builds", "{id}"], "/api/builds", "builds", {}),
    "not the more literal": (["a/{id}", "a/b"], "/api/a/b", "a/b", {}),
    "a parameter": (["builds/{id}"], "/api/builds/b%2F1", "builds/{id}", {"id": "b/1"}),
    "a constraint that holds": (["b/{n:int}", "b/{s}"], "/api/b/12", "b/{n:int}", {"n": "12"}),
    "a constraint that does not": (["b/{n:int}", "b/{s}"], "/api/b/x", "b/{s}", {"s": "x"}),
    "an optional part that is there": (
        ["i/{a}/{b?}"],
        "/api/i/1/2",
        "i/{a}/{b?}",
        {"a": "1", "b": "2"},
    ),
    "an optional part that is not": (["i/{a}/{b?}"], "/api/i/1", "i/{a}/{b?}", {"a": "1"}),
    "the rest of the path": (["f/{*p}"], "/api/f/a/b.css", "f/{*p}", {"p": "a/b.css"}),
    "a rest that is empty": (["f/{*p}"], "/api/f", "f/{*p}", {}),
    "a part of a segment": (["v{n}.json"], "/api/v3.json", "v{n}.json", {"n": "3"}),
}


@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())
def test_a_path_leads_to_a_function(case):
    """Where several match, the function whose name comes first; here names are templates."""
    templates, path, expected, parameters = case

    for order in (templates, templates[::-1]):
        found = router(*order).find("GET", path)
        assert (found.function.name, found.parameters) == (expected, parameters)


@pytest.mark.parametrize(
    "path", ["/api", "/builds", "/api/builds/1", "/apix/builds", "/api//builds/"]
)
def test_other_paths_lead_nowhere(path):
    """Nothing is guessed."""
    assert router("builds").find("GET", path) is None


def test_an_unknown_constraint_is_refused():
    """At the start, by name."""
    with pytest.raises(AppRefused, match="no route constraint 'datetime'"):
        router("b/{when:datetime}")
