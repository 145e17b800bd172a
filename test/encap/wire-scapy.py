"""The independent side of wire.test.ts: scapy reads our packets and builds its own.

Input: one JSON document {"decode": [hex, ...]}; each is an IP packet. Output: {"decoded": [[layer,
...], ...], "built": [{"name", "hex"}, ...]}, a layer being an object of the fields compared.
"""

import json
import sys

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw


def layers_of(data):
    packet = (IP if data[0] >> 4 == 4 else IPv6)(data)
    layers = []
    while packet:
        if isinstance(packet, IP):
            # A second packet of the same header with its checksum recomputed tells if it was right.
            again = packet.copy()
            del again.chksum
            layers.append({
                "kind": "ip", "family": 4, "source": packet.src, "destination": packet.dst,
                "protocol": packet.proto, "hops": packet.ttl, "trafficClass": packet.tos,
                "dontFragment": "DF" in packet.flags, "length": packet.len,
                "checksumRight": IP(bytes(again)).chksum == packet.chksum,
            })
        elif isinstance(packet, IPv6):
            layers.append({
                "kind": "ip", "family": 6, "source": packet.src, "destination": packet.dst,
                "protocol": packet.nh, "hops": packet.hlim, "trafficClass": packet.tc,
                "flowLabel": packet.fl, "length": packet.plen,
            })
        elif isinstance(packet, UDP):
            again = packet.underlayer.copy()
            del again[UDP].chksum
            right = packet.chksum == 0 or type(again)(bytes(again))[UDP].chksum == packet.chksum
            layers.append({
                "kind": "udp", "sourcePort": packet.sport, "destinationPort": packet.dport,
                "length": packet.len, "checksumRight": right,
            })
        elif isinstance(packet, VXLAN):
            layers.append({"kind": "vxlan", "vni": packet.vni, "flags": int(packet.flags)})
        elif isinstance(packet, Ether):
            layers.append({
                "kind": "ethernet", "source": packet.src, "destination": packet.dst,
                "etherType": packet.type,
            })
        elif isinstance(packet, ICMP):
            layers.append({
                "kind": "icmp", "type": packet.type, "identifier": packet.id, "sequence": packet.seq,
            })
        elif isinstance(packet, ICMPv6EchoRequest):
            layers.append({
                "kind": "icmp", "type": packet.type, "identifier": packet.id, "sequence": packet.seq,
            })
        packet = packet.payload
    return layers


def built():
    inner4 = IP(src="10.1.1.2", dst="10.1.2.3", ttl=63, tos=0xBA, flags="DF") / ICMP(
        type=8, id=0x1234, seq=7
    ) / Raw(b"selvage")
    inner6 = IPv6(src="fd00:1::2", dst="fd00:2::3", hlim=61, tc=0x29, fl=0xABCDE) / UDP(
        sport=4000, dport=53
    ) / Raw(b"odd")
    tcp4 = IP(src="10.1.1.2", dst="10.1.2.3") / TCP(sport=40000, dport=443)
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    vxlan = UDP(sport=50123, dport=4789, chksum=0) / VXLAN(vni=0xABCDEF, flags=8)
    outer4 = {"src": "192.0.2.1", "dst": "198.51.100.2", "ttl": 64}
    outer6 = {"src": "2001:db8::1", "dst": "2001:db8::2", "hlim": 64}
    yield "native 4", frame / inner4
    yield "native 6 behind a VLAN tag", frame / Dot1Q(vlan=42) / inner6
    yield "ipip 4 in 4", frame / IP(proto=4, **outer4) / inner4
    yield "ipip 6 in 4", frame / IP(proto=41, **outer4) / inner6
    yield "ipip 4 in 6 behind an encapsulation limit", frame / IPv6(**outer6) / IPv6ExtHdrDestOpt(
        nh=4, options=[]
    ) / tcp4
    yield "vxlan 4 over 4", frame / IP(**outer4) / vxlan / frame / inner4
    yield "vxlan 6 over 4", frame / IP(**outer4) / vxlan / frame / inner6
    yield "vxlan 4 over 6", frame / IPv6(**outer6) / UDP(sport=50123, dport=4789) / VXLAN(
        vni=1, flags=8
    ) / frame / tcp4
    yield "vxlan of an ARP frame", frame / IP(**outer4) / vxlan / Ether(
        src=frame.src, dst=frame.dst, type=0x0806
    ) / Raw(b"\0" * 28)
    yield "the middle of a fragmented packet", frame / IP(proto=17, frag=185, **outer4) / Raw(b"x" * 64)
    yield "an IPv6 fragment", frame / IPv6(**outer6) / IPv6ExtHdrFragment(
        nh=17, offset=10, m=1
    ) / Raw(b"y" * 64)


request = json.load(sys.stdin)
json.dump(
    {
        "decoded": [layers_of(bytes.fromhex(text)) for text in request["decode"]],
        "built": [{"name": name, "hex": bytes(packet).hex()} for name, packet in built()],
    },
    sys.stdout,
)
