"""Sends packets of any shape from one network namespace and sees what becomes of them in another.

Reads a JSON list of cases on standard input, sends them all, waits, and prints a JSON list of what
happened to each: "arrives", "lost", "icmp TYPE/CODE" (the network answered), or, for ARP requests,
"MAC" of whoever answered. Only the standard library is used.
"""
import ctypes, json, os, select, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    fd = os.open("/run/netns/" + namespace, os.O_RDONLY)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns " + namespace)
    os.close(fd)


def sniffer(namespace):
    enter(namespace)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("eth0", 0))
    sock.setblocking(False)
    return sock


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def packet(case):
    marker = b"selvage-lab-%06d" % case["id"]
    size = case.get("size", 0)
    body = marker
    if case["protocol"] == 17:
        header = 20 if case["family"] == 4 else 40
        body = marker.ljust(max(len(marker), size - header - 8), b".")
        body = struct.pack("!4H", 40000, case["port"], 8 + len(body), 0) + body
    if case["family"] == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0x4000, 64,
                           case["protocol"], 0, socket.inet_pton(socket.AF_INET, case["source"]),
                           socket.inet_pton(socket.AF_INET, case["destination"]))
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB16s16s", 0x60000000, len(body), case["protocol"], 64,
                           socket.inet_pton(socket.AF_INET6, case["source"]),
                           socket.inet_pton(socket.AF_INET6, case["destination"]))
    return head + body


def send(case):
    enter(case["from"])
    if case["protocol"] == "arp":
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        sock.bind(("eth0", 0))
        mac = sock.getsockname()[4]
        source = socket.inet_pton(socket.AF_INET, case["source"])
        target = socket.inet_pton(socket.AF_INET, case["destination"])
        sock.send(b"\xff" * 6 + mac + b"\x08\x06" +
                  struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, source, b"\0" * 6, target))
        return
    family = socket.AF_INET if case["family"] == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    try:
        sock.sendto(packet(case), (case["destination"], 0))
    except OSError as error:
        results[case["id"]] = "refused here: " + (error.strerror or "")


def inspect(namespace, frame):
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0806 and struct.unpack("!H", frame[20:22])[0] == 2:
        for case in cases:
            if case["protocol"] == "arp" and case["from"] == namespace and \
                    socket.inet_pton(socket.AF_INET, case["destination"]) == frame[28:32]:
                results[case["id"]] = ":".join("%02x" % byte for byte in frame[6:12])
        return
    at = frame.find(b"selvage-lab-")
    if at < 0:
        return
    case = cases[int(frame[at + 12:at + 18])]
    if kind == 0x0800 and frame[23] == 1 and namespace == case["from"]:
        icmp = 14 + (frame[14] & 15) * 4
    elif kind == 0x86DD and frame[20] == 58 and namespace == case["from"]:
        icmp = 54
    else:
        if namespace == case["to"] and namespace != case["from"]:
            results[case["id"]] = "arrives"
        return
    answer = frame[icmp], frame[icmp + 1]
    # "Port" and "protocol unreachable" are the other node's own: the packet did arrive.
    if answer not in (((3, 2), (3, 3)) if case["family"] == 4 else ((1, 4), (4, 1))):
        results[case["id"]] = "icmp %d/%d" % answer


cases = json.load(sys.stdin)
for index, case in enumerate(cases):
    case["id"] = index
results = ["lost"] * len(cases)
names = sorted({case["from"] for case in cases} | {case["to"] for case in cases})
sniffers = {sniffer(name): name for name in names}
for case in cases:
    send(case)
    time.sleep(0.0005)
deadline = time.monotonic() + 1.0
while time.monotonic() < deadline:
    ready, _, _ = select.select(list(sniffers), [], [], 0.1)
    for sock in ready:
        try:
            while True:
                inspect(sniffers[sock], sock.recv(65535))
        except BlockingIOError:
            pass
json.dump(results, sys.stdout)
