"""Starts moto with two things as AWS has them.

A private address leaves the interface it was on, and no new interface gets an address by chance
that a test assigns: AWS would refuse that one, as some interface's primary address.
"""

from ipaddress import ip_network
from itertools import count

from moto.ec2.models import elastic_network_interfaces
from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend
from moto.server import main

assign = NetworkInterfaceBackend.assign_private_ip_addresses


def take(self, eni_id, private_ip_addresses=None, secondary_ips_count=None):
    wanted = set(private_ip_addresses or [])
    subnet = self.get_network_interface(eni_id).subnet.id
    for eni in self.enis.values():
        if eni.id != eni_id and eni.subnet.id == subnet:
            eni.private_ip_addresses = [
                entry for entry in eni.private_ip_addresses
                if entry["Primary"] or entry["PrivateIpAddress"] not in wanted
            ]
    return assign(self, eni_id, private_ip_addresses, secondary_ips_count)


made = count()


def next_address(cidr):
    # The upper half: tests name addresses of the lower one.
    block = ip_network(cidr)
    half = block.num_addresses // 2
    return str(block[half + next(made) % (half - 1)])


NetworkInterfaceBackend.assign_private_ip_addresses = take
elastic_network_interfaces.random_private_ip = next_address
main()
