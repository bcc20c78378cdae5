# What clients reach the service by. Where it leads to is the cluster's to change.

resource "aws_route" "virtual_address" {
  for_each = local.vip ? {
    Public-AB = aws_route_table.public.id
    Private-A = aws_route_table.private[0].id
    Private-B = aws_route_table.private[1].id
  } : {}
  route_table_id         = each.value
  destination_cidr_block = "${var.virtual_address}/32"
  network_interface_id   = aws_instance.server[0].primary_network_interface_id

  lifecycle {
    ignore_changes = [network_interface_id]
  }
}

# Not associated here: the active server does that.
resource "aws_eip" "service" {
  count  = local.eip ? 1 : 0
  domain = "vpc"

  lifecycle {
    ignore_changes = [instance, network_interface]
  }
}

resource "aws_route53_zone" "service" {
  count         = local.dns ? 1 : 0
  name          = "hz1.local"
  force_destroy = true # the record in it is the cluster's

  vpc {
    vpc_id = aws_vpc.cluster.id
  }
}
