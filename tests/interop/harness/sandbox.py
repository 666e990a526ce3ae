"""A machine of its own for each test: new network, process and mount namespaces.

Ports never collide, no packet can leave the machine, and whatever a test starts dies with it, even
when ctest kills the test itself: the kernel ends all processes of a process namespace with its
first one. Besides loopback there is ADDRESS on a veth pair, because Janus and browsers like
addresses that are not loopback.
"""
import ctypes
import os
import shutil
import subprocess
import sys

ADDRESS = "10.77.0.1"
SKIPPED = 77  # SKIP_RETURN_CODE of ctest
INSIDE = "SQUALL_INTEROP_INSIDE"


def skip(why):
    """Something is not installed: that is a failure in CI, where everything has to be."""
    if os.environ.get("CI"):
        sys.exit(f"FAILED: {why} (in CI that is not excused)")
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


def no_module(module):
    """Why a test is skipped whose module this interpreter lacks. Debian's belong to /usr/bin/python3, and another
    one that stands before it has none of them, whatever is installed."""
    return (f"{sys.executable} has no module {module}: it is of python3-{module} for /usr/bin/python3 "
            "(tools/install-deps.sh test)")


def need(program, *places):
    """The path of a program, looked for in `places` first."""
    for place in places:
        if os.access(place, os.X_OK):
            return place
    found = shutil.which(program)
    if not found:
        skip(f"{program} is not installed (tools/install-deps.sh test)")
    return found


def udp_drops():
    """Datagrams that the kernel threw away at full socket buffers, of all processes in here."""
    with open("/proc/net/snmp") as file:
        names, values = [line.split()[1:] for line in file if line.startswith("Udp:")]
    return int(dict(zip(names, values))["RcvbufErrors"])


def unshare_command():
    command = [need("unshare"), "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-root-user"]
    return command


def enter():
    """Starts this very script again inside, or goes on if this is the inside already."""
    if not os.environ.get(INSIDE):
        command = unshare_command()
        trial = subprocess.run([*command, "true"], capture_output=True, text=True)
        if trial.returncode != 0:
            skip(f"no namespaces here: {trial.stderr.strip()}")
        os.environ[INSIDE] = "1"
        sys.stdout.flush()
        # A shell as the first process: it buries those whose parents went before them.
        os.execv(command[0], [*command, "sh", "-c", '"$@"; exit $?', "init", sys.executable, "-B", *sys.argv])
    # Not on: the process that began the test may be gone, and then so shall we.
    ctypes.CDLL(None).prctl(1, 9)
    ip = need("ip", "/usr/sbin/ip", "/sbin/ip")
    for words in (
        "link set lo up",
        "link add squall0 type veth peer name squall1",
        f"addr add {ADDRESS}/24 dev squall0",
        "link set squall0 up",
        "link set squall1 up",
        # Firefox gathers no candidate on a machine without one. It leads nowhere.
        "route add default dev squall0",
    ):
        subprocess.run([ip, *words.split()], check=True)
