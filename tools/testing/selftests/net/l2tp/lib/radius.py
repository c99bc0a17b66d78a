# SPDX-License-Identifier: GPL-2.0
"""A RADIUS server (RFC 2865, RFC 2866) that lets everybody in, with the same address: `radius.py <address>`."""
import hashlib
import select
import socket
import struct
import sys

SECRET = "testing"
ADDRESS = "192.168.60.10"
ACCESS_REQUEST, ACCESS_ACCEPT, ACCOUNTING_RESPONSE = 1, 2, 5
SERVICE_TYPE, FRAMED_PROTOCOL, FRAMED_IP_ADDRESS = 6, 7, 8
FRAMED, PPP = 2, 1


def attribute(kind, value):
    return struct.pack("!BB", kind, 2 + len(value)) + value


def answer(request):
    """The response to a request."""
    code, identifier = request[0], request[1]
    attributes = b""
    if code == ACCESS_REQUEST:
        attributes = attribute(SERVICE_TYPE, struct.pack("!I", FRAMED)) \
            + attribute(FRAMED_PROTOCOL, struct.pack("!I", PPP)) \
            + attribute(FRAMED_IP_ADDRESS, socket.inet_aton(ADDRESS))
    head = struct.pack("!BBH", ACCESS_ACCEPT if code == ACCESS_REQUEST else ACCOUNTING_RESPONSE,
                       identifier, 20 + len(attributes))
    proof = hashlib.md5(head + request[4:20] + attributes + SECRET.encode()).digest()
    return head + proof + attributes


def main(address):
    """Serve authentication and accounting until killed."""
    socks = []
    for port in (1812, 1813):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, port))
        socks.append(sock)
    while True:
        for sock in select.select(socks, [], [])[0]:
            request, peer = sock.recvfrom(4096)
            sock.sendto(answer(request), peer)


if __name__ == "__main__":
    main(sys.argv[1])
