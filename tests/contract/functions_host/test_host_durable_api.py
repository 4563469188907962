"""The Durable HTTP API, spoken by the SDK's own client inside the app and by programs outside."""

import json

import httpx
import pytest


def use(client, method, instance_id, **arguments):
    """Call a method of the SDK's client, in a function of the app."""
    return client.post(f"/api/client/{method}/{instance_id}", json=arguments).json()


def test_an_orchestration_starts_and_ends(client):
    """Started by the SDK's client over the host's own endpoint."""
    urls = client.begin("fan_out", "first", 5)

    status = client.until_ended("first")

    assert urls["id"] == "first"
    assert status["output"] == {"total": 30, "version": "1.0"}
    assert status["customStatus"] == {"phase": "sum"}
    assert json.loads(status["input"]) == 5
    assert status["createdTime"].endswith("Z")


def test_the_sdk_reads_the_status(client):
    """And for an unknown id gets an object that is false."""
    client.begin("fan_out", "seen", 2)
    client.until_ended("seen")

    seen = use(client, "get_status", "seen", show_input=True)
    assert (seen["found"], seen["runtimeStatus"], seen["output"]["total"]) == (True, "Completed", 1)
    assert use(client, "get_status", "nobody")["found"] is False


def test_the_history_is_told_as_azure_tells_it(client):
    """What was scheduled comes with its answer, in one entry; outputs only where asked for."""
    client.begin("fan_out", "told", 1)
    client.until_ended("told")

    events = client.status("told", showHistory=True, showHistoryOutput=True)["historyEvents"]
    assert [event["EventType"] for event in events] == [
        "ExecutionStarted",
        "TaskCompleted",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    assert events[1]["FunctionName"] == "square"
    assert events[1]["Result"] == "0"
    assert "ScheduledTime" in events[1]
    assert "EventId" not in events[1]
    without = client.status("told", showHistory=True)["historyEvents"]
    assert "Result" not in without[1]


def test_a_running_instance_answers_202(client):
    """With the place to ask again; an ended one 200, or 500 where a failure shall be one."""
    client.begin("approval", "open")
    running = client.get("/durabletask/instances/open")
    assert running.status_code == 202
    assert running.headers["Retry-After"] == "5"

    client.begin("fails", "failed")
    client.until_ended("failed")
    assert client.get("/durabletask/instances/failed").status_code == 200
    asked = {"returnInternalServerErrorOnFailure": "true"}
    assert client.get("/durabletask/instances/failed", params=asked).status_code == 500
    assert "ValueError: boom x" in client.status("failed")["output"]


def test_events_from_the_webhook_arrive_as_objects(client):
    """Those of the SDK's client arrive as strings of JSON (durable-python#295)."""
    for instance in ("by-webhook", "by-client"):
        client.begin("approval", instance)
    urls = client.begin("approval", "by-link")
    link = urls["sendEventPostUri"].replace("{eventName}", "decide")

    assert httpx.post(link, json={"by": "web"}).status_code == 202
    client.post("/durabletask/instances/by-webhook/raiseEvent/decide", json={"by": "web"})
    use(client, "raise_event", "by-client", event_name="decide", event_data={"by": "me"})

    assert client.until_ended("by-link")["output"] == {"by": "web"}
    assert client.until_ended("by-webhook")["output"] == {"by": "web"}
    assert json.loads(client.until_ended("by-client")["output"]) == {"by": "me"}


def test_an_event_must_be_json(client):
    """And its instance must run."""
    client.begin("approval", "strict")
    path = "/durabletask/instances/{}/raiseEvent/decide"

    assert client.post(path.format("strict"), content="text").status_code == 400
    assert client.post(path.format("nobody"), json=1).status_code == 404
    client.post(path.format("strict"), json=1)
    client.until_ended("strict")
    assert client.post(path.format("strict"), json=1).status_code == 410


def test_an_instance_is_suspended_resumed_and_terminated(client):
    """Each verb over the link the app hands out."""
    urls = client.begin("approval", "held")

    def tell(verb):
        return httpx.post(urls[verb].replace("{text}", "because")).status_code

    assert tell("suspendPostUri") == 202
    assert client.status("held")["runtimeStatus"] == "Suspended"
    client.post("/durabletask/instances/held/raiseEvent/decide", json="go")
    assert client.status("held")["runtimeStatus"] == "Suspended"
    assert tell("resumePostUri") == 202
    assert client.until_ended("held")["output"] == "go"

    urls = client.begin("approval", "held")
    assert tell("terminatePostUri") == 202
    assert client.status("held")["output"] == "because"
    assert tell("terminatePostUri") == 410


def test_a_second_start_is_refused_while_the_first_runs(client):
    """The instance id is the lock."""
    client.begin("approval", "only-once")

    answer = client.post("/durabletask/orchestrators/approval/only-once", content='"{}"')

    assert answer.status_code == 500
    message = "An Orchestration instance with the status Running already exists."
    assert client.until(lambda: client.status("only-once")["runtimeStatus"] == "Running")
    answer = client.post("/durabletask/orchestrators/approval/only-once", content='"{}"')
    assert answer.json()["ExceptionMessage"] == message


@pytest.mark.parametrize(
    ("path", "body"),
    [("nobody", "1"), ("fan_out/@x", "1"), ("fan_out", "no json")],
    ids=["an unknown function", "a bad id", "a bad input"],
)
def test_a_start_that_cannot_be_is_refused(client, path, body):
    """With 400 and the reason."""
    answer = client.post(f"/durabletask/orchestrators/{path}", content=body)

    assert answer.status_code == 400
    assert answer.json()["ExceptionMessage"]


def test_lists_come_in_pages_of_a_hundred_rows(client):
    """The SDK ignores the token: a trap that the app must meet here and not in production."""
    for number in range(103):
        client.post(f"/durabletask/orchestrators/approval/many-{number:03}", content="null")

    query = {"instanceIdPrefix": "many-"}
    first = client.get("/durabletask/instances/", params=query)
    token = {"x-ms-continuation-token": first.headers["x-ms-continuation-token"]}
    second = client.get("/durabletask/instances", params=query, headers=token)

    assert [len(first.json()), len(second.json())] == [100, 3]
    assert second.json()[-1]["instanceId"] == "many-102"
    assert "x-ms-continuation-token" not in second.headers
    assert len(client.get("/api/prefix/many-").json()) == 100
    assert len(client.get("/durabletask/instances", params=query | {"top": "7"}).json()) == 7


def test_lists_are_filtered(client):
    """By status and by creation time."""
    client.begin("fan_out", "filter-done", 1)
    client.begin("approval", "filter-open")
    client.until_ended("filter-done")

    def ids(**query):
        rows = client.get("/durabletask/instances", params=query | {"instanceIdPrefix": "filter-"})
        return [row["instanceId"] for row in rows.json()]

    assert ids(runtimeStatus="Completed,Failed") == ["filter-done"]
    assert ids(createdTimeFrom="2999-01-01T00:00:00Z") == []
    assert ids(createdTimeTo="2999-01-01T00:00:00Z") == ["filter-done", "filter-open"]
    bad = client.get("/durabletask/instances", params={"runtimeStatus": "Sleeping"})
    assert bad.status_code == 400


def test_instances_are_purged(client):
    """One by id, many by time; those that run are kept."""
    client.begin("fan_out", "purged", 1)
    client.until_ended("purged")

    assert use(client, "purge_instance_history", "purged") == 1
    assert use(client, "purge_instance_history", "purged") == 0
    assert client.get("/durabletask/instances/purged").status_code == 404
    client.begin("fan_out", "purged", 1)
    client.begin("approval", "kept")
    client.until_ended("purged")
    assert client.delete("/durabletask/instances/").status_code == 400
    since = {"createdTimeFrom": "2000-01-01T00:00:00Z"}
    assert client.delete("/durabletask/instances/", params=since).json()["instancesDeleted"] > 0
    assert client.status("kept")["runtimeStatus"] in ("Pending", "Running")


def test_a_failed_instance_is_rewound_and_an_ended_one_restarted(client):
    """The last two verbs of the client."""
    client.begin("fails", "again")
    client.until_ended("again")
    assert client.post("/durabletask/instances/again/rewind").status_code == 202
    assert client.until_ended("again")["runtimeStatus"] == "Failed"

    client.begin("fan_out", "twice", 3)
    client.until_ended("twice")
    assert client.post("/durabletask/instances/twice/rewind").status_code == 410
    new_id = use(client, "restart", "twice", restart_with_new_instance_id=True)["id"]
    assert new_id != "twice"
    assert client.until_ended(new_id)["output"]["total"] == 5
    assert client.post("/durabletask/instances/nobody/restart").status_code == 400


def test_the_webhooks_want_the_system_key(client, host_url):
    """Which is another than the function key, and part of every link."""
    urls = client.begin("fan_out", "locked", 1)
    bare = f"{host_url}/runtime/webhooks/durabletask/instances/locked"

    assert httpx.get(bare).status_code == 401
    assert client.get(bare).status_code == 401
    assert httpx.get(urls["statusQueryGetUri"]).status_code in (200, 202)


def test_the_keyless_endpoint_is_for_programs_on_this_machine(client):
    """A page in a browser, or a name that leads here from elsewhere, gets nothing."""
    path = "/durabletask/instances/"

    assert client.get(path, headers={"Origin": "https://example.org"}).status_code == 403
    assert client.get(path, headers={"Host": "example.org"}).status_code == 403
    assert client.get(path).status_code == 200


def test_entities_are_refused_clearly(client):
    """This host leaves them out."""
    answer = client.post("/durabletask/entities/counter/one", params={"op": "add"})

    assert answer.status_code == 501
    assert "entities" in answer.json()["Message"]
