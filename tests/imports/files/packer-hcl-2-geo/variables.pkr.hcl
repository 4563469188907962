variable "subscription_id" {
  type = string
}

variable "client_secret" {
  type      = string
  sensitive = true
}

variable "image" {
  type = object({
    publisher = string
    offer     = string
    sku       = string
  })
  default = {
    publisher = "resf"
    offer     = "rockylinux-x86_64"
    sku       = "9-base"
  }
}

variable "network" {
  default = { group = "geo-net", name = "geo", subnet = "builders" }
}
