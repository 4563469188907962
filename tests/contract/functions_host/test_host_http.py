"""HTTP functions, keys and admin endpoints, as callers meet them."""

import httpx
import pytest


@pytest.fixture
def stranger(host_url):
    """A caller without any key."""
    with httpx.Client(base_url=host_url) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("images/gallery/name/1.0.0", {"gallery": "gallery", "name": "name", "version": "1.0.0"}),
        ("images/gallery/name", {"gallery": "gallery", "name": "name"}),
        ("images/a%20b/c%2Fd", {"gallery": "a b", "name": "c/d"}),
        ("IMAGES/G/N", {"gallery": "G", "name": "N"}),
    ],
)
def test_route_parameters_reach_the_function(client, path, values):
    """Optional parts may be missing, values are decoded, literals are not case-sensitive."""
    answer = client.get(f"/api/{path}", params={"show": "all"})

    assert answer.json() == {"method": "GET", "query": {"show": "all"}, **values}


def test_parameters_reach_the_function_as_on_azure(client):
    """Joined where one is there twice, without those that are empty; the URL has them all."""
    answer = client.get("/api/images/a/b?show=1&none=&Show=2&show=&show=%2B").json()
    assert answer["query"] == {"show": "1,2,+"}


def test_the_function_whose_name_comes_first_wins(client):
    """`image` before `latest`, although `images/latest/{name}` is the more literal route."""
    answer = client.get("/api/images/latest/ubuntu").json()
    assert answer["gallery"] == "latest"
    assert client.get("/api/images/latest").status_code == 404


def is_refusal(answer, status, code):
    """Whether it is this refusal, in JSON, with a sentence that helps."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert len(error["message"].split()) > 3
    return True


def test_what_the_host_refuses_it_refuses_in_json(client, stranger):
    """Each refusal has a code and says what to do."""
    assert is_refusal(stranger.get("/api/images/a/b"), 401, "KeyMissing")
    assert is_refusal(stranger.get("/admin/host/status"), 401, "KeyMissing")
    assert is_refusal(client.get("/nothing"), 404, "NoSuchRoute")
    assert is_refusal(client.get("/api/broken"), 500, "FunctionFailed")
    assert is_refusal(client.post("/admin/functions/none", json={}), 404, "NoSuchFunction")
    assert is_refusal(client.post("/admin/functions/nightly", content="["), 400, "NotJson")
    bad = {"content": b"\xff", "headers": {"content-type": "application/json"}}
    assert is_refusal(client.post("/admin/functions/nightly", **bad), 400, "Unreadable")
    origin = {"Origin": "https://evil.example"}
    assert is_refusal(client.get("/durabletask/instances/a", headers=origin), 403, "NotLocal")


@pytest.mark.parametrize("key", [b"\xff\xfe", b"\xc3\xbc", b"\xed\xa0\x80", b"x" * 4000])
def test_a_key_of_any_bytes_is_only_a_wrong_key(stranger, key):
    """A header may hold any bytes."""
    answer = stranger.get("/api/images/a/b", headers={b"x-functions-key": key})
    assert is_refusal(answer, 401, "KeyMissing")
    assert "missing or wrong" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/api/images/a/b", 200),
        ("PATCH", "/api/images/a/b", 404),
        ("GET", "/api/start/fan_out", 404),
        ("GET", "/api/images", 404),
        ("GET", "/api/images/a/b/c/d", 404),
        ("GET", "/images/a/b", 404),
        ("GET", "/", 404),
    ],
)
def test_only_declared_methods_and_paths_exist(client, method, path, status):
    """Azure answers 404 where only the method is wrong."""
    assert client.request(method, path).status_code == status


def test_a_key_is_asked_for_by_level(client, stranger, host_url):
    """Anonymous functions are open; function and admin levels want the key, in header or query."""
    assert stranger.post("/api/silent").status_code == 204
    assert stranger.get("/api/images/a/b").status_code == 401
    assert stranger.get("/api/images/a/b", params={"code": "wrong"}).status_code == 401
    assert stranger.get("/api/secret").status_code == 401
    key = client.headers["x-functions-key"]
    assert stranger.get("/api/images/a/b", params={"code": key}).status_code == 200
    assert client.get("/api/secret").text == "secret"


def test_nothing_returned_is_no_content(client):
    """A function without a result answers 204."""
    assert client.post("/api/silent").status_code == 204


def test_a_failing_function_is_a_500(client, caplog):
    """The caller learns nothing of the inside; the log says it in one line."""
    with caplog.at_level("INFO", "functions_host"):
        answer = client.get("/api/broken")

    assert answer.status_code == 500
    assert "as it was meant to" not in answer.text
    lines = [r.getMessage() for r in caplog.records if r.levelname == "INFO"]
    assert len(lines) == 1
    assert lines[0].startswith("function broken failed: ValueError: as it was meant to (")


def test_user_code_never_runs_on_the_loop_of_the_host(client):
    """And sees its context and the values of local.settings.json."""
    answer = client.get("/api/where").json()

    assert answer == {"main": False, "function": "where", "setting": "yes"}


def test_the_admin_needs_the_key(client, stranger):
    """The key that opens the functions opens the admin endpoints, too."""
    assert stranger.get("/admin/host/status").status_code == 401
    assert stranger.post("/admin/functions/nightly", json={}).status_code == 401
    assert client.get("/admin/host/status").json()["state"] == "Running"


def test_the_admin_runs_a_timer_function_now(client, notes):
    """Nobody waits until three in the morning."""
    assert client.post("/admin/functions/nightly", json={"input": ""}).status_code == 202
    past_due = client.post("/admin/functions/nightly", json={"input": {"IsPastDue": True}})

    assert past_due.status_code == 202
    client.until(lambda: "nightly past due False" in notes.read_text())
    client.until(lambda: "nightly past due True" in notes.read_text())


@pytest.mark.parametrize(
    "message",
    ['{"id": "as-text", "n": 3}', {"id": "as-json", "n": 3}],
    ids=["text", "JSON"],
)
def test_the_admin_feeds_a_queue_function(client, message):
    """With a message as it would come from the queue."""
    answer = client.post("/admin/functions/on_order", json={"input": message})

    assert answer.status_code == 202
    instance = "as-text" if isinstance(message, str) else "as-json"
    assert client.until_ended(instance)["output"] == {"total": 5, "version": "1.0"}


def test_the_admin_refuses_what_it_cannot_run(client):
    """A wrong name, another kind of function, a body that is no JSON."""
    assert client.post("/admin/functions/nobody", json={}).status_code == 404
    assert client.post("/admin/functions/image", json={}).status_code == 404
    assert client.post("/admin/functions/nightly", content="[").status_code == 400
