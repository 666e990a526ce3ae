"""A wire with a known delay between this machine (network namespace) and another one.

Two veth pairs, and between their inner ends a process carries each Ethernet frame over, some time
after it arrived. tc netem is not to be had everywhere. The delay that each frame really took, from the
kernel's time-stamp of its arrival until it was sent on, is kept, so that a test can compare with what
was, not with what was asked for."""
import ctypes
import fcntl
import heapq
import multiprocessing
import os
import random
import select
import socket
import struct
import subprocess
import time

from .proc import until
from .sandbox import need

ETH_P_ALL, PACKET_OUTGOING, SO_TIMESTAMPNS = 3, 4, 35
SIOCETHTOOL = 0x8946
MEDIA_LEAST = 100  # bytes of a frame that may be lost: RTP, and hardly anything else
# linux/ethtool.h: receive and transmit checksums, TSO, GSO, GRO. With them frames cross a veth pair
# without checksums, and longer than the wire takes.
OFFLOADS_OFF = (0x15, 0x17, 0x1f, 0x24, 0x2c)


def ethtool(interface, command, value):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        data = bytearray(struct.pack("II", command, value))
        buffer = (ctypes.c_char * len(data)).from_buffer(data)
        request = struct.pack("16sP", interface.encode(), ctypes.addressof(buffer))
        try:
            fcntl.ioctl(any_socket, SIOCETHTOOL, request)
        except OSError:
            pass  # this one the interface does not have


def ip(*words, inside=()):
    subprocess.run([*inside, need("ip", "/usr/sbin/ip", "/sbin/ip"), *map(str, words)], check=True)


def carry(source, sink, delay_s, taken, loss):
    """Frames of one direction; a process of its own, and before all others: it is the instrument."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError:
        pass
    source.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    queue, count, dice = [], 0, random.Random(7)
    while True:
        now = time.time()
        while queue and queue[0][0] <= now:
            due, _, frame = heapq.heappop(queue)
            try:
                sink.send(frame)
            except OSError:
                continue
            now = time.time()
            with taken.get_lock():
                taken[1 + int(taken[0]) % (len(taken) - 1)] = now - due + delay_s
                taken[0] += 1
        wait = max(queue[0][0] - now, 0) if queue else None
        if select.select([source], [], [], wait)[0]:
            frame, ancillary, _, address = source.recvmsg(65535, 64)
            if address[2] != PACKET_OUTGOING and not (len(frame) > MEDIA_LEAST and dice.random() < loss):
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                count += 1
                heapq.heappush(queue, (seconds + nanoseconds / 1e9 + delay_s, count, frame))


class Way:
    def __init__(self, source, sink, delay_ms, loss):
        self.taken = multiprocessing.Array("d", 1 + 20000)
        self.process = multiprocessing.get_context("fork").Process(
            target=carry, args=(source, sink, delay_ms / 1000, self.taken, loss), daemon=True)
        self.process.start()

    def forget(self):
        with self.taken.get_lock():
            self.taken[0] = 0

    def p50_ms(self):
        with self.taken.get_lock():
            took = sorted(self.taken[1:1 + min(int(self.taken[0]), len(self.taken) - 1)])
        return 1000 * took[len(took) // 2]

    def stop(self):
        self.process.kill()
        self.process.join()


class DelayedWire:
    """HERE is this machine's address, THERE that of the other; `enter` runs a command there."""

    HERE, THERE = "10.79.0.1", "10.79.0.2"

    def __init__(self, test, there_ms, back_ms, loss_back=0):
        machine = test.start("machine", [need("unshare"), "--net", "sleep", "300"])
        until("the other namespace", lambda: os.readlink(f"/proc/{machine.pid}/ns/net") !=
              os.readlink("/proc/self/ns/net"))
        self.enter = [need("nsenter"), "-t", str(machine.pid), "-n"]
        ip("link", "add", "near0", "type", "veth", "peer", "name", "near1")
        ip("link", "add", "far0", "type", "veth", "peer", "name", "far1")
        for interface in "near0", "near1", "far0", "far1":
            for command in OFFLOADS_OFF:
                ethtool(interface, command, 0)
        ip("link", "set", "far0", "netns", machine.pid)
        ip("addr", "add", f"{self.HERE}/24", "dev", "near0")
        ip("link", "set", "near0", "up")
        ip("addr", "add", f"{self.THERE}/24", "dev", "far0", inside=self.enter)
        ip("link", "set", "far0", "up", inside=self.enter)
        ip("link", "set", "lo", "up", inside=self.enter)
        for interface in "near1", "far1":
            ip("link", "set", interface, "arp", "off", "up")
        near, far = (self._raw(interface) for interface in ("near1", "far1"))
        self.there, self.back = Way(near, far, there_ms, 0), Way(far, near, back_ms, loss_back)
        test.closers.append(self.stop)

    @staticmethod
    def _raw(interface):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        raw.bind((interface, ETH_P_ALL))
        return raw

    def forget(self):
        """Of what was carried until now, the times do not count."""
        for way in self.there, self.back:
            way.forget()

    def stop(self):
        for way in self.there, self.back:
            way.stop()
