"""Starts moto with one thing as AWS has it: a private address leaves the interface it was on."""

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


NetworkInterfaceBackend.assign_private_ip_addresses = take
main()
