variable "prefix" {
  type    = string
  default = "imaging"
}

locals {
  tags = { env = "test" }
}

resource "azurerm_resource_group" "this" {
  name     = "${var.prefix}-batch"
  location = "West Europe"
}

resource "azurerm_batch_account" "this" {
  name                 = "${var.prefix}acc01"
  resource_group_name  = azurerm_resource_group.this.name
  location             = azurerm_resource_group.this.location
  pool_allocation_mode = "BatchService"
  tags                 = local.tags
}

resource "azurerm_batch_pool" "slides" {
  name                = "slides"
  resource_group_name = azurerm_resource_group.this.name
  account_name        = azurerm_batch_account.this.name
  display_name        = "Slides of ${var.prefix}"
  vm_size             = "STANDARD_D2S_V5"
  max_tasks_per_node  = 2
  node_agent_sku_id   = "batch.node.ubuntu 22.04"

  storage_image_reference {
    publisher = "canonical"
    offer     = "0001-com-ubuntu-server-jammy"
    sku       = "22_04-lts"
    version   = "latest"
  }

  auto_scale {
    evaluation_interval = "PT15M"
    formula             = <<EOF
$samples = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);
$tasks = $samples < 70 ? 1 : avg($PendingTasks.GetSample(180 * TimeInterval_Second));
$TargetDedicatedNodes = min(5, $tasks);
EOF
  }

  start_task {
    command_line       = "/bin/bash -c \"apt-get update && apt-get install -y libvips\""
    task_retry_maximum = 2
    wait_for_success   = true

    common_environment_properties = {
      VIPS_CONCURRENCY = "2"
      SLIDES_PASSWORD  = "made-up"
    }

    user_identity {
      auto_user {
        elevation_level = "Admin"
        scope           = "Pool"
      }
    }
  }

  metadata = {
    team = "imaging"
  }

  certificate {
    id         = azurerm_batch_certificate.old.id
    visibility = ["StartTask"]
  }
}
