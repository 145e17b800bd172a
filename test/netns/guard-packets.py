"""Sends and receives packets inside one network namespace for the guard's tests.

Commands come as JSON lines on standard input, one answer line each. Packets are written as scapy
expressions: an encoder that shares nothing with ours. Every packet's payload carries `id=NAME;`,
and what is received, by whatever socket, is counted by that name.
"""
import json
import re
import select
import socket
import sys
import threading
import time

received = {}
sources = {}
changed = threading.Condition()
MARK = re.compile(rb"id=([A-Za-z0-9_.-]+);")


def listen(spec):
    kind, number = spec.split(":")
    number = int(number)
    if kind in ("udp4", "udp6"):
        family = socket.AF_INET if kind == "udp4" else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("", number))
    else:
        family = socket.AF_INET if kind == "raw4" else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_RAW, number)
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    return sock, spec


def inner_source(data):
    """The inner IPv4 source behind the headers of VXLAN and Ethernet; None where there are none."""
    if data[:4] != b"\x08\0\0\0" or data[20:22] != b"\x08\0":
        return None
    return socket.inet_ntoa(data[34:38])


def receive(sockets):
    by_fd = {sock.fileno(): (sock, spec) for sock, spec in sockets}
    while True:
        for fd in select.select(list(by_fd), [], [])[0]:
            sock, spec = by_fd[fd]
            data, sender = sock.recvfrom(65536)
            for name in MARK.findall(data):
                key = f"{spec}/{name.decode()}"
                with changed:
                    sources[key] = inner_source(data) or sender[0]
                    received[key] = received.get(key, 0) + 1
                    changed.notify_all()


def packets(code):
    import scapy.all as scapy
    from scapy.layers.vxlan import VXLAN

    scope = {name: getattr(scapy, name) for name in dir(scapy)}
    scope["VXLAN"] = VXLAN
    scope["frag6"] = frag6
    made = eval(code, scope)
    return [bytes(packet) for packet in (made if isinstance(made, list) else [made])]


def frag6(packet, size):
    """IPv6 fragments of `size` bytes each, smaller than any host would make them."""
    import scapy.all as scapy

    ip = packet[scapy.IPv6]
    payload, header = bytes(ip.payload), ip.copy()
    next_header = scapy.IPv6(bytes(ip)).nh
    header.remove_payload()
    pieces = range(0, len(payload), size)
    return [
        scapy.Ether(src=packet.src, dst=packet.dst)
        / scapy.IPv6(src=header.src, dst=header.dst)
        / scapy.IPv6ExtHdrFragment(nh=next_header, id=77, offset=at // 8, m=int(at + size < len(payload)))
        / scapy.Raw(payload[at : at + size])
        for at in pieces
    ]


def raw_socket(device):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((device, 0))
    return sock


class Stream(threading.Thread):
    """One packet again and again; `#######` in it becomes a running number."""

    def __init__(self, device, frame, rate):
        super().__init__(daemon=True)
        self.sock, self.frame, self.rate = raw_socket(device), frame, rate
        self.sent, self.running = 0, True

    def run(self):
        begin = time.monotonic()
        while self.running:
            due = int((time.monotonic() - begin) * self.rate)
            while self.sent < due and self.running:
                self.sock.send(self.frame.replace(b"#######", b"%07d" % self.sent))
                self.sent += 1
            time.sleep(0.001)


streams = {}


def answer(command):
    op = command["op"]
    if op == "send":
        sock = raw_socket(command["device"])
        frames = packets(command["code"])
        for frame in frames:
            sock.send(frame)
        return len(frames)
    if op == "start":
        stream = Stream(command["device"], packets(command["code"])[0], command["rate"])
        streams[command["name"]] = stream
        stream.start()
        return 0
    if op == "stop":
        stream = streams.pop(command["name"])
        stream.running = False
        stream.join()
        return stream.sent
    if op == "wait":
        deadline = time.monotonic() + command["timeoutMs"] / 1000
        with changed:
            while command["key"] not in received:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                changed.wait(left)
        return True
    if op == "say":
        family = socket.AF_INET6 if ":" in command["to"] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto(f"id={command['id']};".encode(), (command["to"], 9000))
            except PermissionError:
                pass  # a packet filter's drop on the way out
        return 1
    if op == "source":
        with changed:
            return sources.get(command["key"])
    if op == "received":
        with changed:
            seen = dict(received)
            received.clear()
        return seen
    raise ValueError(f"unknown op {op}")


threading.Thread(target=receive, args=([listen(s) for s in sys.argv[1:]],), daemon=True).start()
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
