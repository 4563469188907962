"""A running host with the small app beside this file, and a client of it."""

import os

import pytest
from host_world import Client, HostThread


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """What the app's functions wrote down."""
    path = tmp_path_factory.mktemp("notes") / "notes"
    path.touch()
    os.environ["NOTES"] = str(path)
    yield path
    del os.environ["NOTES"]


@pytest.fixture(scope="module")
def host_url(tmp_path_factory, notes):
    host = HostThread(tmp_path_factory.mktemp("state"))
    yield host.start()
    host.stop()


@pytest.fixture
def client(host_url):
    with Client(host_url) as client:
        yield client
