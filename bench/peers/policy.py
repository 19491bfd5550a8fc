# SPDX-License-Identifier: BSD-3-Clause
"""Switches whose ports take only what some rules allow: security groups of ours, flows of OpenFlow in OVS."""

from peers.ovs import Ovs
from peers.stint import Stint

SENDER = "10.83.0.1"  # VM 0's, and its port: flow 0 of the generator's attack `flows` (bench/loadgen/frame.c)
PORT = 1024
# Allowed is the one flow, and some that differ in which fields they name; all else is dropped.
ALLOWED = ({"protocol": "udp", "port_min": PORT, "remote_prefix": f"{SENDER}/32"},
           {"remote_prefix": "10.0.0.10/32"},
           {"protocol": "udp", "port_min": 80})


def rules(number):
    """So many rules, of which the last ones allow all UDP and no more than that: the others are about other hosts."""
    others = [{"protocol": "udp", "port_min": i % 60000, "remote_prefix": f"172.16.{i >> 8}.{i & 255}/32"}
              for i in range(number - 1)]
    return [*others, {"protocol": "udp"}]


class StintGroups(Stint):
    """Ports in security groups, which let all out."""

    def __init__(self, tmp, ports, groups=None, **options):
        """groups: {name: (tenant, numbers of ports, rules of what they receive)}"""
        super().__init__(tmp, ports, **options)
        self.groups = groups or {}

    def start(self):
        super().start()
        for name, (tenant, ports, allowed) in self.groups.items():
            self._set_up("security_group_create", name=name, tenant=tenant)
            self._call_often("security_rule_add", [{"group": name, "direction": "ingress", **rule} for rule in allowed])
            for i in ports:
                self._set_up("port_set", name=f"port{i}", security_groups=name)


class OvsGroups(Ovs):
    """The same rules for port 1, as flows of one priority above one that drops."""

    def start(self):
        super().start()
        matches = [f"udp,nw_src={SENDER},tp_dst={PORT}", "ip,nw_src=10.0.0.10", "udp,tp_dst=80"]
        flows = [f"priority=10,in_port=1,{match},actions=output:2" for match in matches]
        flows += ["priority=1,in_port=1,actions=drop", "priority=1,in_port=2,actions=output:1"]
        bridge = f"unix:{self.dir}/br0.mgmt"
        self._run("ovs-ofctl", "del-flows", bridge)
        for flow in flows:
            self._run("ovs-ofctl", "add-flow", bridge, flow)
