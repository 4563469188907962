data "azurerm_subnet" "nodes" {
  name                 = "nodes"
  virtual_network_name = "grid"
  resource_group_name  = "grid"
}

resource "azurerm_batch_pool" "grid" {
  name                     = "grid"
  resource_group_name      = "grid"
  account_name             = "gridaccount9"
  vm_size                  = "Standard_F16s_v2"
  node_agent_sku_id        = "batch.node.el 9"
  inter_node_communication = "Disabled"

  storage_image_reference {
    publisher = "almalinux"
    offer     = "almalinux-x86_64"
    sku       = "9-gen2"
    version   = "latest"
  }

  fixed_scale {
    target_dedicated_nodes    = 2
    target_low_priority_nodes = 1
    resize_timeout            = "PT30M"
    node_deallocation_method  = "TaskCompletion"
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.grid.id]
  }

  container_configuration {
    type                  = "DockerCompatible"
    container_image_names = ["docker.io/library/busybox:1.36"]
    container_registries {
      registry_server = "docker.io"
      user_name       = "grid"
      password        = "not-a-real-password"
    }
  }

  network_configuration {
    subnet_id                        = data.azurerm_subnet.nodes.id
    public_address_provisioning_type = "BatchManaged"
    endpoint_configuration {
      name                = "ssh"
      backend_port        = 22
      protocol            = "TCP"
      frontend_port_range = "4000-4100"
      network_security_group_rules {
        access                = "Allow"
        priority              = 150
        source_address_prefix = "10.0.0.0/8"
      }
    }
  }

  user_accounts {
    name            = "operator"
    password        = "not-a-real-password"
    elevation_level = "Admin"
    linux_user_configuration {
      uid             = 3001
      gid             = 3001
      ssh_private_key = file("~/.ssh/grid")
    }
  }

  task_scheduling_policy {
    node_fill_type = "Spread"
  }

  mount {
    azure_blob_file_system {
      account_name        = "gridstore"
      container_name      = "inputs"
      relative_mount_path = "inputs"
      account_key         = "bm90LWEta2V5"
    }
  }

  node_placement {
    policy = "Regional"
  }

  os_disk_placement = "CacheDisk"

  lifecycle {
    ignore_changes = [fixed_scale]
  }
}
