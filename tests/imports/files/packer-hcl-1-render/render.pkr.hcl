packer {
  required_plugins {
    azure = {
      source  = "github.com/hashicorp/azure"
      version = "~> 2"
    }
  }
}

variable "tenant" {
  type      = string
  sensitive = true
  default   = env("RENDER_TENANT")
}

variable "region" {
  type    = string
  default = "swedencentral"
}

variable "release" {
  type        = string
  description = "Release of the renderer, such as 4.2"
  default     = "4.2"
}

locals {
  stamp  = formatdate("YYYYMMDD", timestamp())
  as_root = "chmod +x {{ .Path }}; {{ .Vars }} sudo -E bash '{{ .Path }}'"
  labels = {
    owner   = "render-farm"
    release = var.release
    built   = local.stamp
  }
}

# Frames are rendered on Spot nodes.
source "azure-arm" "frames" {
  use_azure_cli_auth = true
  tenant_id          = var.tenant

  location = var.region
  vm_size  = "Standard_D8s_v5"
  os_type  = "Linux"

  image_publisher = "Canonical"
  image_offer     = "ubuntu-24_04-lts"
  image_sku       = "server"

  secure_boot_enabled = true
  vtpm_enabled        = true

  shared_image_gallery_destination {
    resource_group = "render-images"
    gallery_name   = "render.gallery"
    image_name     = "frames-${var.release}"
    image_version  = "4.2.0"
    target_region {
      name     = var.region
      replicas = 3
    }
    target_region {
      name = "West Europe"
    }
  }
  shared_gallery_image_version_exclude_from_latest = true

  azure_tags = local.labels
  spot {
    eviction_policy = "Delete"
    max_price       = "0.25"
  }
}

build {
  sources = ["source.azure-arm.frames"]

  provisioner "shell" {
    execute_command  = local.as_root
    environment_vars = ["RELEASE=${var.release}"]
    inline = [
      "install -d /opt/render",
      "echo \"release $RELEASE on $(uname -r)\" >/opt/render/about.txt",
      "printf 'a\\tb\\n' >>/opt/render/about.txt",
    ]
    valid_exit_codes = [0, 3]
  }

  provisioner "shell" {
    execute_command = local.as_root
    inline = [<<-EOT
      cat >/etc/profile.d/render.sh <<'END'
      export RENDER_HOME="/opt/render" PATH="$${PATH}:/opt/render/bin"
      END
      EOT
    ]
  }

  provisioner "shell" {
    execute_command = local.as_root
    inline          = ["/usr/sbin/waagent -force -deprovision+user && sync"]
    only            = ["azure-arm.frames"]
  }

  post-processor "manifest" {
    output = "frames.json"
  }
}
