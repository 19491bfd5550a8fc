# SPDX-License-Identifier: BSD-3-Clause
"""Frames byte by byte, right ones and wrong ones, and sockets that send and receive them."""
import errno
import socket
import struct

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 64 << 20

IPV4 = 0x0800
IPV6 = 0x86dd
TEST = 0x88b5  # for experiments (IEEE 802): no stack answers it
BROADCAST = 'ff:ff:ff:ff:ff:ff'


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def checksum(data):
    """Of RFC 1071."""
    total = sum(struct.unpack(f'!{(len(data) + 1) // 2}H', data + b'\0' * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ether(dst, src, payload, kind=TEST):
    return mac(dst) + mac(src) + struct.pack('!H', kind) + payload


def ipv4(src, dst, payload, protocol=socket.IPPROTO_UDP, tos=0, fragment=0, length=None):
    head = struct.pack('!BBHHHBBH4s4s', 0x45, tos, 20 + len(payload) if length is None else length, 0, fragment, 64,
                       protocol, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def ipv6(src, dst, payload, protocol=socket.IPPROTO_UDP, length=None):
    return struct.pack('!IHBB', 6 << 28, len(payload) if length is None else length, protocol, 64) + \
        socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def udp(payload, source=50000, port=4789, length=None):
    """Without a checksum."""
    return struct.pack('!HHHH', source, port, 8 + len(payload) if length is None else length, 0) + payload


def summed(src, dst, datagram):
    """The UDP datagram with its checksum, between two addresses."""
    family = socket.AF_INET6 if ':' in src else socket.AF_INET
    pseudo = socket.inet_pton(family, src) + socket.inet_pton(family, dst) + struct.pack('!HH', 17, len(datagram))
    return datagram[:6] + struct.pack('!H', checksum(pseudo + datagram) or 0xffff) + datagram[8:]


def vxlan(vni, frame, flags=0x08000000, reserved=0):
    return struct.pack('!II', flags, vni << 8 | reserved) + frame


class Wiretap:
    """Sends and receives frames by an interface of a namespace. It keeps what came in, and what went out as well,
    but for its own."""

    def __init__(self, net, interface):
        # Without a protocol it receives nothing yet, in particular not what other interfaces do.
        self.socket = net.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        net.inside(lambda: self.socket.bind((interface, ETH_P_ALL)))

    def send(self, frame):
        """Where there is no room for it, it is lost, as on a wire."""
        try:
            self.socket.send(frame)
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise

    def take(self, outgoing=False):
        """The frames that came in (or went out) since the last call."""
        frames = []
        while True:
            try:
                frame, address = self.socket.recvfrom(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return frames
            if (address[2] == PACKET_OUTGOING) == outgoing:
                frames.append(frame)

    def close(self):
        self.socket.close()
