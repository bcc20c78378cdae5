variable "configuration" {
  description = "Which of the three manifests: vip, eip or dns."
  type        = string
  default     = "vip"

  validation {
    condition     = contains(["vip", "eip", "dns"], var.configuration)
    error_message = "configuration is vip, eip or dns."
  }
}

variable "region" {
  description = "The region."
  type        = string
  default     = "ap-northeast-1"
}

variable "zones" {
  description = "Two Availability Zones of the region, one for each server."
  type        = list(string)
  default     = ["ap-northeast-1a", "ap-northeast-1c"]

  validation {
    condition     = length(var.zones) == 2 && var.zones[0] != var.zones[1]
    error_message = "zones are two, and differ."
  }
}

variable "image" {
  description = "The AMI of both servers: Debian 12 or Ubuntu 22.04, or later."
  type        = string
}

variable "instance_type" {
  description = "The type of both instances."
  type        = string
  default     = "t3.medium"
}

variable "key_name" {
  description = "The key pair for SSH; none: no SSH."
  type        = string
  default     = null
}

variable "administrators" {
  description = "From where SSH, the API (TCP 7381) and the service may be reached, besides the VPC."
  type        = list(string)
  default     = []
}

variable "service_ports" {
  description = "TCP ports of the service, open to the VPC and to `administrators`."
  type        = list(number)
  default     = [80]
}

variable "virtual_address" {
  description = "The virtual address of vip.yaml, outside of the VPC's 10.0.0.0/16."
  type        = string
  default     = "10.1.0.20"
}

variable "policy" {
  description = "File with the IAM policy of the servers, as `stead iam-policy -f cluster.yaml` prints it."
  type        = string
  default     = "policy.json"
}
