"""What a run leaves for others to read: report.html in Chromium, judged by axe-core, and figures for Prometheus."""
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request

from harness import fakes, npm, test
from harness.browser import Chromium
from harness.proc import check, until

AXE = npm.FOLDER / "node_modules" / "axe-core" / "axe.min.js"
# Scheme, width and height, medium, and whether axe-core looks at it (which takes seconds).
LOOKS = (("light", 1280, 900, "", True), ("dark", 390, 844, "", True), ("light", 390, 844, "", False), ("light", 703, 1000, "print", False))
# All is opened, so that all of it is looked at.
OPEN = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
RULES = "{resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"


def look(page, scheme, width, height, media):
    """As a reader with these settings sees it."""
    browser, session = page.browser, page.browser.sessions[page.ident]
    browser.call("Emulation.setEmulatedMedia", {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]},
                 sessionId=session)
    browser.call("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
                 sessionId=session)
    page.eval("new Promise((done) => setTimeout(done, 300))")


def judged(page, name):
    """What axe-core has to say against it, all that is serious."""
    found = page.eval(f"axe.run(document, {RULES}).then((r) => r.violations.map((v) => [v.impact, v.id, v.help, "
                      "v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))]))", 60)
    for impact, rule, text, nodes in found:
        test.note(f"{name}: {impact} {rule}: {text}: {nodes}")
    check(not [v for v in found if v[0] in ("serious", "critical")], f"{name}: {found}")


def check_reading(page):
    """A moment is read in all charts at once, by a pointer and by keys; a table has the same figures."""
    charts = page.eval("document.querySelectorAll('#charts .plot').length")
    check(charts >= 8, f"{charts} charts")
    read = page.eval("""(() => {
        const plot = document.querySelector('#charts .plot'), box = plot.getBoundingClientRect();
        plot.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: box.top + 20, bubbles: true}));
        const at = [...document.querySelectorAll('.chart-head span')].map((s) => s.textContent).filter(Boolean);
        const values = [...document.querySelectorAll('.chart .legend')][0].innerText;
        plot.dispatchEvent(new KeyboardEvent('keydown', {key: 'Home', bubbles: true}));
        const first = document.querySelector('.chart-head span').textContent;
        return [at, values, first, document.querySelectorAll('.chart details table tbody tr').length];
    })()""")
    at, values, first, rows = read
    check(len(at) == charts and len(set(at)) == 1, f"the moment in {charts} charts: {at}")
    check(re.search(r"connected\s*\d", values), f"values at the pointer: {values!r}")
    check(first and first != at[0] and rows > charts, f"by keys: {first!r}, {rows} rows in tables")


def check_glance(page, results):
    """Verdict and what broke in one glance; arrivals and failures by cause in the timeline; generator health and configuration."""
    top, broke, title = page.eval("[document.querySelector('.verdict h1').getBoundingClientRect().top, "
                                  "document.querySelector('.broke').getBoundingClientRect().top, document.querySelector('.verdict h1').innerText]")
    check(0 < top < 300 and broke < 300, f"the verdict begins at {top} px, what broke at {broke} px")
    broke = page.eval("document.querySelector('.broke').innerText")
    check(title.startswith("FAIL") and "4 peers failed" in broke and re.search(r"\bice\b", broke), f"{title!r}: {broke!r}")
    # At the last second.
    page.eval("document.querySelector('#charts .plot').dispatchEvent(new KeyboardEvent('keydown', {key: 'End', bubbles: true}))")
    charts = dict(page.eval("[...document.querySelectorAll('#timeline .chart')].map((c) => [c.querySelector('h3').textContent, "
                            "[...c.querySelectorAll('.legend li')].map((i) => [i.firstElementChild.nextSibling.textContent, i.querySelector('b').textContent])])"))
    check(charts["Failed so far, by cause"] == [["ice", "4"]], f"failures by cause: {charts['Failed so far, by cause']}")
    arrivals = dict(charts["Arrivals, and what became of them"])
    check(arrivals["planned"] == arrivals["started"] == "8" and arrivals["failed: ice"] == "4", f"arrivals: {arrivals}")
    parts = page.eval("Object.fromEntries(['generator', 'configuration'].map((id) => [id, [...document.querySelectorAll(`#${id} dt`)]"
                      ".map((dt) => [dt.textContent, dt.nextElementSibling.textContent])]))")
    health, settings = dict(parts["generator"]), dict(parts["configuration"])
    own = results.summary["generator"]
    check("within bounds" in health["State"] and float(health["Threads"]) == own["threads"], f"generator: {health}")
    check(abs(float(re.match(r"[\d.]+", health["Timers late, p99"])[0]) - own["lateness_ms"]["p99"]) < 0.1, f"generator: {health}, {own}")
    check("UDP blocked@50%" in settings["Command"] and settings["Seed"] == "7" and settings["peers"] == "8", f"configuration: {settings}")


def check_paper(page):
    """On paper nobody opens a story."""
    before = page.eval("document.querySelectorAll('#peers details.peer[open]').length")
    after = page.eval("(dispatchEvent(new Event('beforeprint')), document.querySelectorAll('#peers details.peer[open]').length)")
    check(before < 8 and after == 8, f"{before} stories are open, {after} on paper")


def check_page(page, results):
    peers = page.eval("[...document.querySelectorAll('#peers details.peer')].map((d) => d.innerText)")
    failed = [text for text in peers if "UDP blocked" in text]
    test.note(f"{len(peers)} peers with their stories, {len(failed)} of them failed")
    check(len(peers) == 8 and len(failed) == 4, f"{len(peers)} peers, {len(failed)} of UDP blocked")
    check(all("Events" in text for text in peers), "a peer without a story")
    well = [text for text in peers if "UDP blocked" not in text]
    check(all("Bit rates" in text and "Candidate pairs" in text for text in well), f"stories of those that were ok: {well[:1]}")
    # What the drawings' words say of the rates sent agrees with peers.csv, to which other code adds up.
    for peer in (p for p in results.peers if p["outcome"] == "ok"):
        text = next(text for text in well if text.startswith(peer["peer"] + " ") or text.startswith(peer["peer"] + "\n"))
        told = float(re.search(r"\bout\s+([\d,.]+) kbit/s", text)[1].replace(",", ""))
        summed = peer["video.out.bitrate_kbps"] + peer["audio.out.bitrate_kbps"]
        # Over a few seconds, of which the last may be a part, while the rate still rises.
        check(abs(told / summed - 1) < 0.1, f"{peer['peer']} sent {told} kbit/s by its story, {summed:.1f} by peers.csv")
    networks = page.eval("[...document.querySelectorAll('#groups table')].pop().innerText")
    check("UDP blocked" in networks and "wifi" in networks, f"networks: {networks!r}")
    drawn = page.eval("[...document.querySelectorAll('.dist figcaption code, .steady code')].map((c) => c.textContent)")
    missing = set(results.summary["metrics"]) - set(drawn)
    check(not missing, f"metrics without a drawing: {missing}")


def check_dump(results):
    """A dump as webrtc-dump-importer reads it: each object has its times, and pairs are found by their transport."""
    path = sorted((results.folder / "webrtc-internals").glob("*-squall-1.json"))[0]  # the other one of the two is behind "UDP blocked"
    connection = next(iter(json.loads(path.read_text())["PeerConnections"].values()))
    objects = {}
    for key, stat in connection["stats"].items():
        ident, member = key.rsplit("-", 1)
        check("[" not in key and ident + "-timestamp" in connection["stats"], f"{key} has no times")
        values = json.loads(stat["values"])
        check(len(values) <= len(json.loads(connection["stats"][ident + "-timestamp"]["values"])), f"{key} has more values than times")
        objects.setdefault(stat["statsType"], {}).setdefault(ident, {})[member] = values[-1]
    transport, = objects["transport"]
    pair = objects["candidate-pair"][objects["transport"][transport]["selectedCandidatePairId"]]
    local, remote = objects["local-candidate"][pair["localCandidateId"]], objects["remote-candidate"][pair["remoteCandidateId"]]
    check(pair["transportId"] == local["transportId"] == transport and pair["nominated"] is True, f"the pair: {pair}, {local}")
    check(local["isRemote"] is False and remote["isRemote"] is True, f"candidates: {local}, {remote}")
    test.note(f"a dump's objects: { {kind: len(found) for kind, found in objects.items()} }")


def check_looks(page, what):
    """In each look it fits, axe-core has nothing serious against it, and it fetches nothing."""
    # By the debugger: the page itself lets no other script in.
    page.browser.call("Runtime.evaluate", {"expression": AXE.read_text()}, 30, sessionId=page.browser.sessions[page.ident])
    for scheme, width, height, media, judge in LOOKS:
        name = f"{what}, {scheme}, {width} px{', ' + media if media else ''}"
        look(page, scheme, width, height, media)
        wide = page.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        beyond = page.eval("[...document.querySelectorAll('body *')].filter((e) => !e.closest('nav') && (matchMedia('print').matches || !e.closest('.scroll')) && "
                           "e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
                           ".slice(0, 4).map((e) => e.outerHTML.slice(0, 90) + e.textContent.slice(0, 60))") if wide > 0 else []
        check(wide <= 0, f"{name}: the page is {wide} px wider than the window: {beyond}")
        if judge:
            judged(page, name)
    loaded = page.eval("performance.getEntriesByType('resource').map((e) => e.name)")
    check(loaded == [], f"{what} loads {loaded}")


def check_compare_page(t, browser, first, second):
    """squall compare --html: what the page shows is what --json has."""
    html, data = t.folder / "compare.html", t.folder / "compare.json"
    t.start("compare", [t.squall, "compare", first.folder, second.folder, "--html", html, "--json", data]).wait(20)
    said = json.loads(data.read_text())
    page = browser.open(html.as_uri())
    shown = page.eval("[...document.querySelectorAll('.compared tbody tr')].map((r) => [r.querySelector('code').textContent, "
                      "r.querySelectorAll('circle.before').length, r.querySelectorAll('circle.after').length])")
    figures = [f["figure"] for f in said["comparisons"][0]["figures"]]
    check([row[0] for row in shown] == figures, f"figures: {shown}, {figures}")
    check(all(before > 0 for name, before, _ in shown if not name.startswith("peers.")), f"figures without a dot: {shown}")
    check(page.eval("[...document.querySelectorAll('.tiles div')].pop().innerText").split()[-1] == str(said["exit_code"]), "the exit code")
    differ = page.eval("document.querySelector('main').innerText")
    check("UDP blocked@50%" in differ and "not set" in differ, "the other network is not told")
    check_looks(page, "the comparison")


MEASURING = """target: lab
steps: [{timer: {start: talk}}, {wait: 1s}, {timer: {stop: talk}}, {count: talked}]
"""


def report_chromium(t):
    (t.folder / "measuring.yaml").write_text(MEASURING)
    results = t.run(t.folder / "measuring.yaml", "--peers", 8, "--duration", "5s", "--rate", "20/s", "--data", "5/s:100", "--network", "UDP blocked@50%",
                    "--network", "wifi", "--connect-timeout", "3s", "--lateness-max", "500", "--dump", 2).finish()
    check_dump(results)
    check(results.summary["peers"]["failed"] == 4, f"{results.summary['peers']}")
    other = t.run("lab:", "--peers", 8, "--duration", "3s", "--rate", "20/s", "--data", "5/s:100", "--lateness-max", "500").finish()
    browser = Chromium(t)
    check_compare_page(t, browser, results, other)
    page = browser.open((results.folder / "report.html").as_uri())
    check_glance(page, results)
    check_paper(page)
    page.eval(f"(() => {{ {OPEN} }})()")
    check_page(page, results)
    check_reading(page)
    check_looks(page, "the report")
    own = page.eval("[...document.querySelectorAll('#own tbody tr')].map(r => r.cells[0].innerText + ' ' + r.cells[r.cells.length - 1].innerText)")
    check(own == ["timer.talk 4", "counter.talked 4"], f"timers and counters: {own}")


# ---- Prometheus ----

SAMPLE = re.compile(r'^(squall_[a-z0-9_]+)(\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)*\})? (-?[0-9.e+-]+)$')


def read_metrics(text):
    """Samples by name with labels; strict about everything that a line may be."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            check(name not in types, f"the type of {name} is there twice")
            types[name] = kind
            continue
        found = SAMPLE.match(line)
        check(found, f"no sample: {line!r}")
        key = found[1] + (found[2] or "")
        check(key not in samples, f"{key} is there twice")
        family = re.sub(r"_(bucket|sum|count)$", "", found[1]) if found[1] not in types else found[1]
        check(family in types, f"{found[1]} has no type")
        samples[key] = float(found[3])
    return samples


def scrape(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        check(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers["Content-Type"])
        return answer.read().decode()


def lint(text, name):
    """Prometheus' own opinion of names and types, where it is installed."""
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not promtool:
        test.note("promtool is not installed: names are checked by this test alone")
        return
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=20)
    check(done.returncode == 0 and not done.stdout + done.stderr, f"promtool on {name}: {done.stdout}{done.stderr}")
    test.note(f"promtool check metrics: nothing to say of {name}")


def pushgateway(t):
    program = os.environ.get("PUSHGATEWAY") or shutil.which("prometheus-pushgateway")
    if not program:
        test.note("prometheus-pushgateway is not installed: nothing is pushed to one")
        return None
    t.start("pushgateway", [program, "--web.listen-address=127.0.0.1:9091"])

    def ready():
        try:
            return urllib.request.urlopen("http://127.0.0.1:9091/-/ready", timeout=2).status == 200
        except OSError:
            return False
    until("the Pushgateway", ready, 10)
    return "http://127.0.0.1:9091"


class Pushes:
    """A Pushgateway: it keeps what comes, with its time, and hands it on to a real one, if there is one."""

    def __init__(self, t, gateway):
        self.seen = []  # (seconds, method, path, type, body)
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((time.monotonic(), self.command, self.path, self.headers["Content-Type"], body.decode()))
                status = 202
                if gateway:
                    request = urllib.request.Request(gateway + self.path, body, {"Content-Type": self.headers["Content-Type"]}, method=self.command)
                    try:
                        status = urllib.request.urlopen(request, timeout=5).status
                    except urllib.error.HTTPError as error:
                        status = error.code
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT

            def log_message(self, *_):
                pass

        server = fakes.Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        t.closers.append(server.shutdown)
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()

    def check(self, results):
        """While the run went on every five seconds, and once more with the verdict."""
        samples = [read_metrics(body) for *_, body in self.seen]
        verdicts = [any(name.startswith("squall_run_verdict") for name in one) for one in samples]
        elapsed = [one["squall_run_elapsed_seconds"] for one in samples]
        test.note(f"{len(samples)} pushes, after {elapsed} s of the run, the last with the verdict")
        check(len(samples) >= 3 and verdicts == [False] * (len(samples) - 1) + [True], f"pushes with a verdict: {verdicts}")
        for _, method, path, kind, _ in self.seen:
            check((method, path) == ("PUT", "/metrics/job/squall") and kind.startswith("text/plain; version=0.0.4"), f"{method} {path}: {kind}")
        check(elapsed[0] <= 2 and all(4.5 < b - a < 6.5 for a, b in zip(elapsed, elapsed[1:-1])), f"pushes after {elapsed} s")
        for before, after in zip(samples, samples[1:]):
            fell = [name for name in before if "_total" in name and after[name] < before[name]]
            check(not fell, f"from one push to the next went back: {fell}")
        middle, last = samples[-2], samples[-1]
        check(middle["squall_peers_connected"] == 10 and middle['squall_media_bytes_total{kind="video",direction="in"}'] > 0, f"while it ran: {middle}")
        check(last['squall_run_verdict{verdict="pass"}'] == 1 and last["squall_run_exit_code"] == 0, f"the last push: {last}")
        check(last["squall_peers_ok_total"] == results.summary["peers"]["ok"] == 10, f"the last push: {last}")


def pushed_to(gateway):
    """What Squall has there, the gateway's own labels taken off."""
    text = urllib.request.urlopen(gateway + "/metrics", timeout=5).read().decode()
    ours = [line for line in text.splitlines() if line.startswith("squall_") and not line.startswith("squall_run_info")]
    check(all('job="squall"' in line for line in ours), f"the gateway has {ours[:3]}")
    pairs = (line.rsplit(" ", 1) for line in ours)
    return {re.sub(r',?(instance|job)="[^"]*"', "", name).replace("{}", "").replace("{,", "{"): float(value) for name, value in pairs}


def report_prometheus(t):
    """Scrapes while a run goes on agree with its results, and neither they nor a gateway that is not there disturb it."""
    gateway = pushgateway(t)
    pushes = Pushes(t, gateway)
    run = t.run("lab:", "--peers", 10, "--duration", "7s", "--rate", "20/s", "--lateness-max", "500", "--prometheus", "127.0.0.1:0",
                "--prometheus-push", pushes.url)
    url = until("where it listens", lambda: re.search(r"metrics at (http://\S+/metrics)", run.process.stderr()), 10)[1]
    try:
        urllib.request.urlopen(url.replace("/metrics", "/"), timeout=5)
        raise AssertionError("a page that is not there was there")
    except urllib.error.HTTPError as error:
        check(error.code == 404, f"a page that is not there: {error.code}")
    until("all peers", lambda: read_metrics(scrape(url))["squall_peers_connected"] == 10, 10)
    before = read_metrics(scrape(url))
    began = time.monotonic()
    for _ in range(200):
        text = scrape(url)
    each_ms = (time.monotonic() - began) * 1000 / 200
    time.sleep(1.2)
    text = scrape(url)
    after = read_metrics(text)
    lint(text, "a scrape")
    counters = [name for name in after if "_total" in name or "_bucket" in name]
    check(all(after[name] >= before.get(name, 0) for name in counters), "a counter went back")
    check(after["squall_run_elapsed_seconds"] > before["squall_run_elapsed_seconds"], "time stands still")
    results = run.finish()
    setup = results.metric("setup.total", "avg") / 1000
    mean = after["squall_setup_seconds_sum"] / after["squall_setup_seconds_count"]
    sent = results.total("video.out", "bytes")
    told = after['squall_media_bytes_total{kind="video",direction="out"}']
    test.note(f"a scrape takes {each_ms:.1f} ms; set-up {mean * 1000:.1f} ms, in summary.json {setup * 1000:.1f}; {told / 1e6:.2f} MB of video sent "
              f"after {after['squall_run_elapsed_seconds']:.0f} s, {sent / 1e6:.2f} in the end")
    results.all_ok(10)
    check(after["squall_setup_seconds_count"] == 10 and abs(mean - setup) < 0.001, f"set-up: {mean} s, {setup} s")
    check(0 < told <= sent * 1.01, f"{told} bytes of video, {sent} in the end")
    check("Pushgateway" not in results.errors, results.errors)
    pushes.check(results)
    if gateway:
        last = pushed_to(gateway)
        check(last['squall_run_verdict{verdict="pass"}'] == 1 and last["squall_run_exit_code"] == 0, f"the last push: {last}")
        check(last["squall_peers_ok_total"] == 10 and last["squall_peers_started_total"] == 10, f"the last push: {last}")
        test.note(f"the Pushgateway has {len(last)} samples of the run's end")
    # A gateway that is not there is a note.
    nobody = t.run("lab:", "--peers", 1, "--duration", "2s", "--lateness-max", "500", "--prometheus-push", "http://127.0.0.1:9/x").finish()
    nobody.all_ok(1)
    check("pushes to the Pushgateway failed" in nobody.errors, nobody.errors)
    taken = t.run("lab:", "--prometheus", "127.0.0.1:9091" if gateway else "127.0.0.2:x").finish()
    check(taken.code == 2 and "--prometheus 127.0.0" in taken.errors, f"{taken.code}: {taken.errors}")


if __name__ == "__main__":
    npm.ensure()
    test.run([report_chromium, report_prometheus])
