# The VPC of the three configurations: a public and a private subnet in either zone.

locals {
  eip = var.configuration == "eip"
  dns = var.configuration == "dns"
  vip = var.configuration == "vip"
  # Servers with an Elastic IP address stand in the public subnets, the others behind NAT gateways.
  nat_gateways = local.eip ? 0 : 2
}

resource "aws_vpc" "cluster" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = "cluster1" }
}

resource "aws_subnet" "public" {
  count             = 2
  vpc_id            = aws_vpc.cluster.id
  cidr_block        = ["10.0.10.0/24", "10.0.20.0/24"][count.index]
  availability_zone = var.zones[count.index]
  tags              = { Name = ["Subnet-1A", "Subnet-1B"][count.index] }
}

resource "aws_subnet" "private" {
  count             = 2
  vpc_id            = aws_vpc.cluster.id
  cidr_block        = ["10.0.110.0/24", "10.0.120.0/24"][count.index]
  availability_zone = var.zones[count.index]
  tags              = { Name = ["Subnet-2A", "Subnet-2B"][count.index] }
}

resource "aws_internet_gateway" "cluster" {
  vpc_id = aws_vpc.cluster.id
}

resource "aws_eip" "nat" {
  count  = local.nat_gateways
  domain = "vpc"
}

resource "aws_nat_gateway" "cluster" {
  count         = local.nat_gateways
  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id
  depends_on    = [aws_internet_gateway.cluster]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.cluster.id
  tags   = { Name = "Public-AB" }
}

resource "aws_route_table" "private" {
  count  = 2
  vpc_id = aws_vpc.cluster.id
  tags   = { Name = ["Private-A", "Private-B"][count.index] }
}

resource "aws_route_table_association" "public" {
  count          = 2
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  count          = 2
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[count.index].id
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.cluster.id
}

resource "aws_route" "nat" {
  count                  = local.nat_gateways
  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.cluster[count.index].id
}
