"""A test program holds cases: functions that take a Test. `run` starts those named on the command
line (all without any), each with a folder of its own, and stops what a case started."""
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

from . import sandbox
from .proc import Failure, Process, check
from .squall import Lab, Run, squall_program


class Busy(Failure):
    """The machine was too busy for what was asked: nothing is known, and the case is to be tried again."""


class Test:
    def __init__(self, name, tries_left=0):
        self.name = name
        self.tries_left = tries_left  # after this one
        self.squall = squall_program()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"squall-{name}-"))
        self.processes = []
        self.closers = []
        self.lock = threading.Lock()

    def start(self, name, argv, **more):
        with self.lock:
            taken = [p.name for p in self.processes]
            unique = name if name not in taken else f"{name}-{len(taken)}"
            process = Process(self.folder, unique, argv, **more)
            self.processes.append(process)
        return process

    def run(self, target, *options, **more):
        return Run(self, target, *options, **more)

    def side_by_side(self, *parts):
        """Parts of a case that mostly wait, at the same time; the first that fails is the case's failure."""
        problems = []

        def one_part(part):
            try:
                part()
            except BaseException as problem:
                problems.append(problem)
        threads = [threading.Thread(target=one_part, args=(part,), daemon=True) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]

    def lab(self, *options, **more):
        return Lab(self, *options, **more)

    def stop(self):
        while self.closers:
            self.closers.pop()()
        for process in reversed(self.processes):
            process.stop()

    def look_back(self):
        """Squall's own processes, once they have ended: a lab that is asked to end does so in order, and
        no sanitizer has complained."""
        for process in self.processes:
            if process.argv[0] == self.squall and process.argv[1] == "lab":
                check(process.popen.returncode == 0, f"{process.name} ended with {process.popen.returncode}")
            said = process.stderr()
            check("Sanitizer" not in said and "runtime error:" not in said, f"a sanitizer complains about {process.name}")

    def clean(self):
        if os.environ.get("SQUALL_INTEROP_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def note(text):
    print(f"  {text}", flush=True)


def one(name, case, tries_left=0):
    """Whether it held; None: the machine was too busy, and a try is left."""
    test = Test(name, tries_left)
    began = time.monotonic()
    good = False
    try:
        case(test)
        test.stop()
        test.look_back()
        good = True
    except Busy as problem:
        print(f"again: {name}: {problem}", flush=True)
        good = None if tries_left else False
    except (Exception, KeyboardInterrupt) as problem:
        if not isinstance(problem, Failure):
            traceback.print_exc(file=sys.stdout)
        print(f"FAILED {name}: {problem}")
        for process in test.processes:
            print(process.story())
    finally:
        test.stop()
        test.clean()
    if good is not None:
        print(f"{'ok' if good else 'FAILED'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return good


def tried(name, case, tries):
    for left in reversed(range(tries)):
        good = one(name, case, left)
        if good is not None:
            return good
    return False


def run(cases, tries=1):
    """cases: functions, named as ctest knows them with - for _. One that raises Busy is tried again, so often in all."""
    named = {case.__name__.replace("_", "-"): case for case in cases}
    wanted = sys.argv[1:] or list(named)
    unknown = [w for w in wanted if w not in named]
    if unknown:
        sys.exit(f"no case {', '.join(unknown)}; there are {', '.join(named)}")
    sandbox.enter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    good = [tried(name, named[name], tries) for name in wanted]
    sys.exit(0 if all(good) else 1)
