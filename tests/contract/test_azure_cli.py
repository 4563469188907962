"""The Azure CLI against the simulator: a client that nobody here has written.

Skipped without it. `AZURE_CLI` names its command where it is not on the PATH.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local import clock
from local.azure_simulator import certificate, core, model, proxy, server

COMMAND = os.environ.get("AZURE_CLI") or shutil.which("az")
TENANT = core.LOCAL_TENANT
IMAGE = "Canonical:ubuntu-24_04-lts:server:latest"
LOCATION = "swedencentral"
GROUP = "cli"
pytestmark = pytest.mark.skipif(not COMMAND, reason="no Azure CLI: AZURE_CLI names none, nor PATH")


class HurriedAzure(core.Simulator):
    """Between two requests there are minutes: whatever a client waits for is over."""

    def handle(self, request: model.Request) -> model.Response:
        passing: Any = self.clock
        passing.advance_to(passing.now() + 900)
        return super().handle(request)


class Served:
    """A simulator over http and https, in a thread of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.azure = HurriedAzure(
            clock=clock.VirtualClock(time.time()), throttled=False, retry_after=1
        )
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(20)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        tls = server.Tls(port=0, context=certificate.server_context(self._folder))
        running = self._loop.run_until_complete(server.start(self.azure, 0, tls))
        assert running.tls_port is not None
        through = self._loop.run_until_complete(proxy.start(0, running.tls_port))
        self.proxy_url = f"http://{server.HOST}:{through.sockets[0].getsockname()[1]}"
        self.url, self.tls_url = running.url, f"https://{server.HOST}:{running.tls_port}"
        self._ready.set()
        self._loop.run_forever()
        through.close()
        self._loop.run_until_complete(running.stop())
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)


class Cli:
    """`az` with a configuration of its own, whose active cloud is the simulator."""

    def __init__(self, served: Served, folder: pathlib.Path) -> None:
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "AZURE_CONFIG_DIR": str(folder / "config"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "yes",
            "REQUESTS_CA_BUNDLE": str(folder / "tls" / certificate.CERTIFICATE),
            "NO_PROXY": server.HOST,
            "HTTPS_PROXY": served.proxy_url,
            "IDENTITY_ENDPOINT": f"{served.url}/msi/token",
            "IDENTITY_HEADER": "any",
        }
        self.text("cloud", "register", "-n", "Simulated", "--endpoint-resource-manager",
                  served.tls_url)  # fmt: skip
        self.text("cloud", "set", "-n", "Simulated")

    def text(self, *arguments: str) -> str:
        assert COMMAND is not None
        done = subprocess.run(
            [COMMAND, *arguments, "-o", "json"],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"az {' '.join(arguments)}\n{done.stderr}"
        return done.stdout

    def __call__(self, words: str, *more: str) -> Any:
        """`words` are split at spaces; the answer is read as JSON, if there is any."""
        printed = self.text(*words.split(), *more)
        return json.loads(printed) if printed.strip() else None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, pathlib.Path]]:
    folder = tmp_path_factory.mktemp("az")
    served = Served(folder / "tls")
    yield served, folder
    served.close()


@pytest.fixture(scope="module")
def az(served: tuple[Served, pathlib.Path]) -> Cli:
    """Logged in as a service principal, with a resource group."""
    cli = Cli(*served)
    secret = ("-u", "00000000-0000-0000-0000-0000000000f1", "-p", "any")
    (account,) = cli(f"login --service-principal --tenant {TENANT}", *secret)
    assert account["tenantId"] == TENANT
    cli(f"group create -n {GROUP} -l {LOCATION}")
    return cli


def test_what_the_subscription_has(az: Cli) -> None:
    """Groups, providers with their types, sizes, quotas and images of the marketplace."""
    assert [group["name"] for group in az("group list")] == [GROUP]
    assert az("provider show -n Microsoft.Compute")["registrationState"] == "Registered"
    assert "Microsoft.Batch" in {item["namespace"] for item in az("provider list")}
    sizes = {size["name"]: size for size in az(f"vm list-sizes -l {LOCATION}")}
    assert sizes["Standard_D4s_v5"]["numberOfCores"] == 4
    (listed,) = az(f"vm list-skus -l {LOCATION} --size Standard_D4s_v5")
    assert listed["family"] == "standardDSv5Family"
    assert az(f"vm list-usage -l {LOCATION}")
    assert az(f"vm image show --urn {IMAGE} -l {LOCATION}")["hyperVGeneration"] == "V2"
    found = az(f"vm image list --all -p Canonical -f ubuntu-24_04-lts -l {LOCATION}")
    assert {image["sku"] for image in found} >= {"server"}


def test_a_machine_becomes_an_image_version(az: Cli, tmp_path: pathlib.Path) -> None:
    """`vm create` deploys a template of five resources."""
    key = tmp_path / "key.pub"
    key.write_text("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 somebody\n")
    login = f"--admin-username someone --ssh-key-values {key}"
    trusted = "--security-type TrustedLaunch --enable-secure-boot true --enable-vtpm true"
    made = az(
        f"vm create -g {GROUP} -n vm --image {IMAGE} --size Standard_D4s_v5 {login} {trusted}"
    )
    assert (made["powerState"], bool(made["publicIpAddress"])) == ("VM running", True)
    (deployed,) = az(f"deployment group list -g {GROUP}")
    assert deployed["properties"]["provisioningState"] == "Succeeded"
    steps = az(f"deployment operation group list -g {GROUP} -n {deployed['name']}")
    made = {step["properties"]["targetResource"]["resourceName"] for step in steps}
    assert made == {"vm", "vmNSG", "vmPublicIP", "vmVMNic", "vmVNET"}

    az(f"vm update -g {GROUP} -n vm --set tags.owner=me")  # sends back all that was shown
    assert az(f"vm show -g {GROUP} -n vm")["tags"] == {"owner": "me"}
    az(f"network nsg rule create -g {GROUP} --nsg-name vmNSG -n http --priority 200")
    rules = az(f"network nsg rule list -g {GROUP} --nsg-name vmNSG")
    assert {rule["name"] for rule in rules} == {"default-allow-ssh", "http"}
    az(f"vm run-command invoke -g {GROUP} -n vm --command-id RunShellScript --scripts",
       "waagent -deprovision+user -force")  # fmt: skip
    az(f"vm deallocate -g {GROUP} -n vm")
    az(f"vm generalize -g {GROUP} -n vm")
    image = f"-g {GROUP} -r gallery -i image"
    kind = "--os-type Linux --hyper-v-generation V2 --features SecurityType=TrustedLaunch"
    az(f"sig create -g {GROUP} -r gallery")
    az(f"sig image-definition create {image} --publisher a --offer b --sku c {kind}")
    vm = az(f"vm show -g {GROUP} -n vm")["id"]
    az(f"sig image-version create {image} --gallery-image-version 1.0.0 --virtual-machine {vm}")

    (version,) = az(f"sig image-version list {image}")
    assert (version["name"], version["provisioningState"]) == ("1.0.0", "Succeeded")


def test_a_machine_that_cannot_be_deployed_says_why(az: Cli) -> None:
    """The error of the resource is among the details of the deployment's."""
    wanted = f"vm create -g {GROUP} -n big --image {IMAGE} --size Standard_ND96isr_H100_v5"
    password = "--admin-username someone --authentication-type password --admin-password"
    with pytest.raises(AssertionError, match=r"quota|not currently|not available|valid"):
        az(f"{wanted} {password}", "Not-a-secret-1234")


def test_a_batch_account_and_its_pools(az: Cli) -> None:
    """`batch pool` speaks to the account's data plane."""
    account = f"-g {GROUP} -n clibatch12345"
    az(f"batch account create {account} -l {LOCATION}")
    assert az(f"batch account keys list {account}")["primary"]
    az(f"batch account login {account}")
    agent = ("--node-agent-sku-id", "batch.node.ubuntu 24.04")
    az(f"batch pool create --id p --vm-size Standard_D4s_v5 --target-dedicated-nodes 1 --image "
       f"{IMAGE}", *agent)  # fmt: skip

    assert [pool["id"] for pool in az("batch pool list")] == ["p"]
    assert [node["state"] for node in az("batch node list --pool-id p")] == ["idle"]
    assert az("batch pool show --pool-id p")["vmSize"] == "standard_d4s_v5"
    az("batch pool set --pool-id p --metadata owner=me")
    assert az("batch pool show --pool-id p")["metadata"] == [{"name": "owner", "value": "me"}]
    az("batch job create --id j --pool-id p")
    az("batch task create --job-id j --task-id t --command-line true")
    assert az("batch task show --job-id j --task-id t")["state"] in {"active", "completed"}
    az("batch pool delete --pool-id p --yes")


def test_a_registry_its_builds_and_who_may_pull(az: Cli) -> None:
    """A build's log is read from an append blob, part by part."""
    registry = az(f"acr create -g {GROUP} -n cliregistry1 --sku Basic")
    assert az("acr show -n cliregistry1")["loginServer"] == "cliregistry1.azurecr.io"
    assert az("acr task list -r cliregistry1") == []
    source = "https://github.com/a/b.git"
    printed = az.text("acr", "build", "-r", "cliregistry1", "-t", "app:1", source)
    assert "Successfully pushed image: cliregistry1.azurecr.io/app:1" in printed
    assert az("acr task list-runs -r cliregistry1")[0]["status"] == "Succeeded"

    assert az("acr login -n cliregistry1 --expose-token")["accessToken"]
    assert az("acr repository list -n cliregistry1") == ["app"]
    assert az("acr repository show-tags -n cliregistry1 --repository app") == ["1"]
    principal = az(f"identity create -g {GROUP} -n pull")["principalId"]
    who = f"--assignee-object-id {principal} --scope {registry['id']}"
    az(f"role assignment create --role AcrPull --assignee-principal-type ServicePrincipal {who}")
    (role,) = az(f"role assignment list {who} --fill-principal-name false")
    assert role["roleDefinitionName"] == "AcrPull"


def test_a_managed_identity_logs_in(served: tuple[Served, pathlib.Path], tmp_path: Any) -> None:
    """At the endpoint that App Service gives its apps."""
    running, folder = served
    shutil.copytree(folder / "tls", tmp_path / "tls")

    (account,) = Cli(running, tmp_path)("login --identity")

    assert account["user"]["assignedIdentityInfo"] == "MSI"
