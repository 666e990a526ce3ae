"""Processes of the benchmark: start pinned, sample from outside, end by pid."""
import os
import signal
import socket
import subprocess
import sys
import time

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A sentence for the user: what did not work, and where its log is."""


class Process:
    """A child pinned to one core with taskset, its output in a log file."""

    def __init__(self, name, argv, cpu, log_folder):
        self.name = name
        self.argv = ["taskset", "-c", str(cpu)] + [str(a) for a in argv]
        self.log_path = os.path.join(log_folder, name + ".log")
        self.out_path = os.path.join(log_folder, name + ".out")
        with open(self.log_path, "w") as log, open(self.out_path, "w") as out:
            try:
                self.child = subprocess.Popen(self.argv, stdout=out, stderr=log, stdin=subprocess.DEVNULL)
            except OSError as error:
                raise BenchError(f"{name}: cannot start {argv[0]}: {error}") from error
        self.started = time.monotonic()
        self.pid = self.child.pid

    def fail(self, what):
        raise BenchError(f"{self.name}: {what}\n  command: {' '.join(self.argv)}\n  log: {self.log_path}\n{self.tail()}")

    def tail(self, lines=12):
        with open(self.log_path, errors="replace") as log:
            return "".join("  | " + line for line in log.readlines()[-lines:])

    def check_alive(self):
        if self.child.poll() is not None:
            self.fail(f"ended early with exit code {self.child.returncode}")

    def wait_port(self, port, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive()
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        self.fail(f"does not listen on 127.0.0.1:{port} after {seconds} s")

    def wait_line(self, text, seconds):
        """Until a line of stderr is `text`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with open(self.log_path, errors="replace") as log:
                if text in log.read().splitlines():
                    return
            self.check_alive()
            time.sleep(0.02)
        self.fail(f"did not say '{text}' within {seconds:.0f} s")

    def sleep(self, seconds):
        """As time.sleep, but fails at once when the process ends meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check_alive()
            time.sleep(min(0.25, left))

    def wait_exit(self, seconds):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            self.fail(f"still ran {seconds:.0f} s after its end was due")

    def stop(self):
        """Asks, then makes it. Safe to call twice."""
        if self.child.poll() is not None:
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def family(self):
        """Its pid, and those of all that it started: a browser is many processes."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stat:
                        parents.setdefault(int(stat.read().rpartition(")")[2].split()[1]), []).append(int(entry))
                except OSError:
                    pass  # ended meanwhile
        pids = [self.pid]
        for pid in pids:
            pids += parents.get(pid, [])
        return pids

    def cpu_us(self):
        """User and system time of all threads so far, of its processes and of those of them that have ended
        (/proc/PID/stat, fields 14 to 17)."""
        ticks = 0
        for pid in self.family():
            try:
                with open(f"/proc/{pid}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                if pid == self.pid:
                    self.fail("ended before its CPU time could be read")
                continue
            ticks += sum(int(field) for field in fields[11:15])
        return ticks * TICK_US

    def rss_kb(self):
        """Resident memory; what several processes share counts once (Pss)."""
        pids = self.family()
        path, key = ("status", "VmRSS:") if len(pids) == 1 else ("smaps_rollup", "Pss:")
        kb = 0
        for pid in pids:
            try:
                with open(f"/proc/{pid}/{path}") as lines:
                    kb += next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)
            except OSError:
                continue
        if kb == 0:
            self.fail("ended before its memory could be read")
        return kb


def core_times_us(cpu):
    """(busy, stolen) time of a core so far; by the kernel's ticks, so only a hint of other load."""
    with open("/proc/stat") as stat:
        for line in stat:
            fields = line.split()
            if fields[0] == f"cpu{cpu}":
                user, nice, system, _idle, _iowait, irq, softirq, steal = (int(f) for f in fields[1:9])
                return (user + nice + system + irq + softirq) * TICK_US, steal * TICK_US
    raise BenchError(f"core {cpu} is not in /proc/stat: this machine has {os.cpu_count()} cores, and the "
                     "benchmark needs one for the generator and one for the target")


class Window:
    """CPU of processes over a stretch of wall-clock time."""

    def __init__(self, cpu, *processes):
        self.cpu = cpu
        self.processes = processes
        self.core_start = core_times_us(cpu)
        self.cpu_start = [p.cpu_us() for p in processes]
        self.start = time.monotonic()

    def end(self):
        """(seconds, [CPU µs a process], share of the core that others used or the host stole)"""
        used = [p.cpu_us() - before for p, before in zip(self.processes, self.cpu_start)]
        seconds = time.monotonic() - self.start
        busy, stolen = (now - before for now, before in zip(core_times_us(self.cpu), self.core_start))
        others = max(0.0, busy - used[0]) + stolen
        return seconds, used, others / (seconds * 1e6)


def measured(name, config, measure):
    """What measure(config, running) returns, or None where it did not work, which is told. What it added to
    `running` is ended in any case."""
    os.makedirs(config.logs, exist_ok=True)
    running = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return measure(config, running)
    except BenchError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return None
    finally:
        for process in reversed(running):
            process.stop()


def publish(page, path):
    """To the file, and to whoever looks on."""
    with open(path, "w") as file:
        file.write(page)
    print(page)


def measure_and_publish(name, config, measure, render):
    """The main of a benchmark with one page: its exit code."""
    row = measured(name, config, measure)
    if row is None:
        return 1
    publish(render(config, row), config.output)
    return 0
