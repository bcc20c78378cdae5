# The two servers, what may reach them, and what they may ask AWS for.

resource "aws_security_group" "server" {
  name        = "cluster1"
  description = "Servers of cluster1"
  vpc_id      = aws_vpc.cluster.id
}

# Heartbeats (UDP) and stores (TCP) between the servers, and the API of each.
resource "aws_vpc_security_group_ingress_rule" "heartbeat" {
  security_group_id            = aws_security_group.server.id
  referenced_security_group_id = aws_security_group.server.id
  ip_protocol                  = "udp"
  from_port                    = 7380
  to_port                      = 7380
}

resource "aws_vpc_security_group_ingress_rule" "store" {
  security_group_id            = aws_security_group.server.id
  referenced_security_group_id = aws_security_group.server.id
  ip_protocol                  = "tcp"
  from_port                    = 7380
  to_port                      = 7381
}

locals {
  ports    = concat([22, 7381], var.service_ports)
  from_all = concat(["10.0.0.0/16"], var.administrators)
  openings = {
    for pair in setproduct(local.ports, local.from_all) :
    "${pair[0]} ${pair[1]}" => { port = pair[0], from = pair[1] }
    if pair[1] != "10.0.0.0/16" || contains(var.service_ports, pair[0])
  }
}

resource "aws_vpc_security_group_ingress_rule" "opened" {
  for_each          = local.openings
  security_group_id = aws_security_group.server.id
  cidr_ipv4         = each.value.from
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

# HTTPS to the endpoints of AWS, and whatever the service asks for.
resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.server.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_iam_role" "server" {
  name = "cluster1"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

# It names what is made here, so that there is none at the first apply.
resource "aws_iam_role_policy" "server" {
  count  = fileexists(var.policy) ? 1 : 0
  name   = "cluster1"
  role   = aws_iam_role.server.id
  policy = file(var.policy)
}

resource "aws_iam_instance_profile" "server" {
  name = "cluster1"
  role = aws_iam_role.server.name
}

resource "aws_instance" "server" {
  count                = 2
  ami                  = var.image
  instance_type        = var.instance_type
  key_name             = var.key_name
  iam_instance_profile = aws_iam_instance_profile.server.name
  subnet_id            = local.eip ? aws_subnet.public[count.index].id : aws_subnet.private[count.index].id
  private_ip           = local.eip ? ["10.0.10.10", "10.0.20.10"][count.index] : ["10.0.110.10", "10.0.120.10"][count.index]
  # Of one without the Elastic IP address: how else would it reach AWS?
  associate_public_ip_address = local.eip
  # What comes for the virtual address is not for the interface's own one.
  source_dest_check      = !local.vip
  vpc_security_group_ids = [aws_security_group.server.id]
  tags                   = { Name = ["node1", "node2"][count.index] }

  metadata_options {
    http_tokens = "required"
  }

  lifecycle {
    # The Elastic IP address comes and goes; that must make no new instance.
    ignore_changes = [associate_public_ip_address]
  }
}
