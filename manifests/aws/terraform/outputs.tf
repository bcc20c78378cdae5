# The manifest with the ids of what was made: terraform output -raw manifest > cluster.yaml
output "manifest" {
  value = replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
    file("../${var.configuration}.yaml"),
    "i-0a1b2c3d4e5f60001", aws_instance.server[0].id),
    "i-0a1b2c3d4e5f60002", aws_instance.server[1].id),
    "eni-0a1b2c3d4e5f60001", aws_instance.server[0].primary_network_interface_id),
    "eni-0a1b2c3d4e5f60002", aws_instance.server[1].primary_network_interface_id),
    "vpc-0a1b2c3d4e5f60001", aws_vpc.cluster.id),
    "eipalloc-0a1b2c3d4e5f60001", join("", aws_eip.service[*].allocation_id)),
    "ABCDEFGHIJK123", join("", aws_route53_zone.service[*].zone_id)),
    "ap-northeast-1a", var.zones[0]),
    "ap-northeast-1c", var.zones[1]),
    "10.1.0.20", var.virtual_address)
}

output "service" {
  description = "What clients connect to."
  value       = local.eip ? join("", aws_eip.service[*].public_ip) : local.dns ? "srv.hz1.local" : var.virtual_address
}

output "servers" {
  description = "The servers' addresses for SSH: public ones, or those in the VPC."
  value       = local.eip ? aws_instance.server[*].public_ip : aws_instance.server[*].private_ip
}
