"""What a file calls secret, and what it has no value of: named, and never repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.imports import written
from cli.imports.draft import Draft
from tests.imports.drafts import drafted, packer

Json = dict[str, Any]
SECRET = "hunter2"
HCL = """
source "azure-arm" "x" {
  image_publisher = "canonical"
  image_offer     = "ubuntu-24_04-lts"
  image_sku       = "server"
  %s
}
build {
  sources = ["source.azure-arm.x"]
  provisioner "shell" {
    inline = ["echo done"]
    %s
  }
}
variable "plain" { default = "fast" }
variable "unknown" { type = string }
variable "quiet" {
  default   = "hunter2"
  sensitive = true
}
local "quiet" {
  expression = "hunter2"
  sensitive  = true
}
"""


def said(draft: Draft) -> str:
    """All that the command writes."""
    return written.text(draft, "file")


def of_shell(line: str, tmp_path: Path) -> Draft:
    """What becomes of a shell provisioner with one more field."""
    return drafted(HCL % ("", line), tmp_path)


@pytest.mark.parametrize("name", ["var.quiet", "local.quiet"])
def test_a_sensitive_value_of_hcl_is_kept_back(name: str, tmp_path: Path) -> None:
    """In whatever field it is, also beside other text and where the command line gives it."""
    line = f'environment_vars = ["MODE=${{{name}}}", "SPEED=${{var.plain}}"]'
    draft = drafted(HCL % ("", line), tmp_path, values={"quiet": SECRET})

    assert SECRET not in said(draft)
    assert draft.request["image"]["steps"][0]["environment"] == {"SPEED": "fast"}
    (why,) = draft.left.values()
    assert f"{name}, which is sensitive" in why


def test_a_sensitive_variable_of_json_is_kept_back(tmp_path: Path) -> None:
    """Packer itself would not print it."""
    template = packer({"type": "shell", "inline": ["login {{user `quiet`}}"]})
    variables = {"variables": {"quiet": SECRET}, "sensitive-variables": ["quiet"]}
    draft = drafted({**template, **variables}, tmp_path)
    assert SECRET not in said(draft)
    assert "quiet, which is sensitive" in said(draft)


def test_a_sensitive_variable_of_terraform_is_kept_back(tmp_path: Path) -> None:
    """As of Packer."""
    text = """
    variable "quiet" {
      default   = "hunter2"
      sensitive = true
    }
    resource "azurerm_batch_pool" "p" {
      name               = "p"
      node_agent_sku_id  = "batch.node.ubuntu 24.04"
      metadata           = { a = var.quiet }
      start_task { command_line = "login ${var.quiet}" }
    }
    """
    assert SECRET not in said(drafted(text, tmp_path))


@pytest.mark.parametrize("kind", ["securestring", "secureObject"])
def test_a_secure_parameter_of_a_template_is_kept_back(kind: str, tmp_path: Path) -> None:
    """Resource Manager itself shows it nowhere."""
    machine = {"nodeAgentSkuId": "batch.node.ubuntu 24.04", "imageReference": {}}
    properties = {
        "deploymentConfiguration": {"virtualMachineConfiguration": machine},
        "startTask": {"commandLine": "[concat('login ', parameters('quiet'))]"},
        "metadata": [{"name": "a", "value": "[parameters('QUIET')]"}],
    }
    pool = {"type": "Microsoft.Batch/batchAccounts/pools", "name": "a/p", "properties": properties}
    template = {
        "contentVersion": "1.0.0.0",
        "parameters": {"quiet": {"type": kind, "defaultValue": SECRET}},
        "resources": [pool],
    }
    draft = drafted(template, tmp_path, values={"quiet": SECRET})
    assert SECRET not in said(draft)
    assert "resources[0].properties.metadata[0].value" in draft.left


@pytest.mark.parametrize(
    ("script", "holds"),
    [
        ("export DB_PASSWORD=hunter2", True),
        ("mysql --password='hunter2'", True),
        ("tool --token hunter2", True),
        ("curl -H 'Authorization: Bearer hunter2' https://example.org", True),
        ("TOKEN=$(fetch-it)", False),
        ('docker login --password "$PASSWORD"', False),
        ("docker login --password-stdin", False),
        ("SECRET=/run/secrets/a", False),
        ("DB_PWD=hunter2-hunter2 run", True),
        ("git clone https://0123456789abcdef0123@example.org/a.git", True),
        ("git clone https://team@dev.azure.com/team/p/_git/a", False),
        ("git clone https://$TOKEN@example.org/a.git; cd $OLDPWD", False),
        ("PASSWORD=", False),
        ("use_secret=true", False),
    ],
)
def test_a_script_with_a_secret_in_it_is_left_out(script: str, holds: bool, tmp_path: Path) -> None:
    """Not one that takes its secret from elsewhere."""
    draft = drafted(packer({"type": "shell", "inline": [script]}), tmp_path)
    assert bool(draft.left) == holds
    assert draft.has("image", "steps") != holds


@pytest.mark.parametrize(
    "line",
    [
        "timeout = var.unknown",
        "valid_exit_codes = var.unknown",
        "env = var.unknown",
        "inline_shebang = var.unknown",
        'timeout = "soon"',
        'valid_exit_codes = ["none"]',
    ],
)
def test_an_option_of_a_script_without_a_value_is_named(line: str, tmp_path: Path) -> None:
    """The step would run in another way than before, without a word."""
    draft = of_shell(line, tmp_path)
    assert len(draft.left) == 1, draft.left
    assert "#!var" not in said(draft)


@pytest.mark.parametrize("name", ["security_type", "secure_boot_enabled", "vtpm_enabled"])
def test_a_security_option_without_a_value_is_named(name: str, tmp_path: Path) -> None:
    """So is each of the builder."""
    draft = drafted(HCL % (f"{name} = var.unknown", ""), tmp_path)
    assert list(draft.left) == [f"source.azure-arm.x.{name}"]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('timeout = "1h30m"', "timeoutMinutes", 90),
        ('timeout = "1.5h"', "timeoutMinutes", 90),
        ('timeout = "1500ms"', "timeoutMinutes", 1),
        ('valid_exit_codes = ["0", "3"]', "exitCodes", [0, 3]),
    ],
)
def test_options_are_read_as_packer_reads_them(
    line: str, field: str, value: object, tmp_path: Path
) -> None:
    """It converts texts to numbers, and knows more units than minutes."""
    draft = of_shell(line, tmp_path)
    assert draft.left == {}
    assert draft.request["image"]["steps"][0][field] == value
