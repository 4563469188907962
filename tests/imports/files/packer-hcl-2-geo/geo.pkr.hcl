source "azure-arm" "tiles" {
  subscription_id = var.subscription_id
  client_id       = "22222222-3333-4444-5555-666666666666"
  client_secret   = var.client_secret

  location                                      = "westeurope"
  vm_size                                       = "Standard_E4s_v5"
  os_type                                       = "Linux"
  image_publisher                               = var.image.publisher
  image_offer                                   = var.image.offer
  image_sku                                     = var.image.sku
  managed_image_resource_group_name             = "geo-images"
  managed_image_name                            = "tiles"
  managed_image_storage_account_type            = "Premium_LRS"
  os_disk_size_gb                               = 200
  virtual_network_name                          = var.network.name
  virtual_network_subnet_name                   = var.network["subnet"]
  virtual_network_resource_group_name           = var.network.group
  private_virtual_network_with_public_ip        = false
  build_resource_group_name                     = "geo-build"
}

build {
  name    = "tiles"
  sources = ["source.azure-arm.tiles"]

  provisioner "file" {
    source      = "tools/"
    destination = "/opt/tiles"
  }

  provisioner "shell" {
    inline = ["id -un", "test -d /opt/tiles"]
  }

  provisioner "shell" {
    scripts         = ["setup/10-packages.sh", "setup/20-service.sh"]
    execute_command = "sudo {{ .Vars }} bash {{ .Path }}"
    env             = { TILES_HOME = "/opt/tiles" }
  }

  provisioner "shell-local" {
    inline = ["echo done"]
  }
}
