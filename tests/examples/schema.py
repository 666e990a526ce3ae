"""The schema for editors (share/schema/scenario.schema.json) against `squall check`.

It takes whatever `check` takes: every scenario of examples/, every snippet of the documentation, and every
text of the unit tests that `check` is content with. It refuses what is wrong as far as a file alone shows it:
each row of the tables of wrong files, but those that ONLY_CHECK lists with the reason.
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

root = pathlib.Path(sys.argv[1])
squall = os.environ.get("SQUALL", str(root / "build/squall"))
schema = json.loads((root / "share/schema/scenario.schema.json").read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)


class Core(yaml.SafeLoader):
    """YAML's core schema, as editors have it: "yes" and "1:30" are texts."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in (("bool", "true|false", "tf"), ("null", "~|null|", ["~", "n", ""]),
                            ("int", "[-+]?[0-9]+", "-+0123456789"),
                            ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789.")):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


def decimal(loader, node):
    return int(node.value)


Core.add_constructor("tag:yaml.org,2002:int", decimal)


def names(value):
    """Keys of YAML are texts for a schema: 2: 70% is "2": 70%."""
    if isinstance(value, dict):
        return {str(key): names(one) for key, one in value.items()}
    return [names(one) for one in value] if isinstance(value, list) else value


def load(text):
    return names(yaml.load(text, Core))


def maps(value):
    if isinstance(value, dict):
        yield value
        for key, one in value.items():
            if key not in ("json", "ice_servers"):  # of a request's body: whatever the service asks for
                yield from maps(one)
    elif isinstance(value, list):
        for one in value:
            yield from maps(one)


# ---- What is right ----

ENVIRONMENT = dict.fromkeys(("API", "KEY", "TOKEN", "SECRET", "NAME", "EVENTS", "TURN_HOST", "TURN_SECRET"), "x")


def checks(text, folder):
    """Is `squall check` content with it?"""
    (folder / "t.yaml").write_text(text)
    env = {**ENVIRONMENT, **os.environ, "SQUALL_SHARE": str(root / "share")}
    done = subprocess.run([squall, "check", "t.yaml"], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    if done.returncode not in (0, 2):
        sys.exit(f"squall check ends with {done.returncode}: {done.stderr}\n{text}")
    return done.returncode == 0


def refusal(text):
    """Why the schema refuses it; "": it does not. What is no YAML at all no editor takes."""
    try:
        value = load(text)
    except (yaml.YAMLError, ValueError) as error:
        return f"no YAML: {error}"
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    return f"{error.json_path}: {error.message[:300]}" if error else ""


LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
PART = r'(?:"(?:[^"\\]|\\.)*"|\b[A-Z][A-Z_]*\b)'
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


def c_text(parts, macros):
    out = ""
    for part in re.findall(PART, parts):
        if part[0] != '"':
            out += macros[part]
        else:
            out += re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), part[1:-1])
    return out


def c_texts(path):
    """All texts of a C file, adjacent literals put together, that look like a scenario, each with whether it
    stands in the table `wrongs`."""
    source = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    macros = {}
    for name, parts in re.findall(rf"^#define (\w+)[ \\\n]+({PART}(?:[ \\\n]+{PART})*)$", source, flags=re.M):
        if re.findall(r"\b[A-Z][A-Z_]*\b", LITERAL.sub("", parts)) == [] or all(
                one in macros for one in re.findall(r"\b[A-Z][A-Z_]*\b", LITERAL.sub("", parts))):
            macros[name] = c_text(parts, macros)
    known = "|".join(macros) or "NONE"
    begin = source.find("wrongs[] = {") % (len(source) + 1)
    end = source.find("\n};", begin)
    part = rf'(?:"(?:[^"\\]|\\.)*"|\b(?:{known})\b)'
    for match in re.finditer(rf"(?<![\w\"])({part}(?:\s+{part})*)", source):
        text = c_text(match[1], macros)
        if re.match(r"^[a-z_]+:(\s|$)", text) and text.endswith("\n"):
            yield begin <= match.start() < end, text


def snippets():
    """Of each page the fenced and the indented blocks that begin with a key of a scenario."""
    keys = set(schema["properties"])
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        text = page.read_text()
        blocks = [m[1] for m in re.finditer(r"^```ya?ml\n(.*?)^```", text, flags=re.M | re.S)]
        blocks += [re.sub(r"^    ", "", m[0], flags=re.M) for m in re.finditer(r"(?:^(?:    .*)?\n)+", text, flags=re.M)]
        for block in blocks:
            first = re.match(r"\s*(?:#.*\n)*([a-z_]+):( |\n)", block)
            if first and first[1] in keys:
                yield page, block.strip("\n") + "\n"


# ---- What is wrong ----

# Rows of the table of wrong files (tests/cli/test_wrong_values.c) that no schema can know to be wrong, by what
# stands in them: all others it has to refuse. A new row that it takes is listed here, or the schema learns it.
ONLY_CHECK = {
    "files, folders and clips of this machine": (
        "/nowhere", "/dev/null/x", "output: {junit: /}", "output: {markdown: /}", "media: nope", "media: nowhere",
        "share: nowhere", "lab\nmedia: hd", "baseline: /nowhere", ": no.x"),
    "what an option of the command line may add or change": (
        "load: {peers: 1}", "groups: {a: {target: lab}, b: {}}", "baseline_threshold: 5", "data_mode: ordered", "pt: 96=VP8", "ice: relay",
        "turn: {secret: c}", "turn: {user: me}", "password: b}", "record_sent: true", "think: 2s", "script",
        "target: lua+ws://h/", "steps: [{wait: 1s}, {data: hi}]"),
    "what several keys make together": (
        "rate: 1000000/s, hold: 1s", "count: 3", "count: 1000", "per_room: 2}, b", "per_room: 1}, b",
        "per_room: 3}, b", "simulcast: 2", "audio: false", "video: false", "publishers: 3", "publishers: 0",
        "role: watch, ", "role: publish, ", "role: data", "dtmf: '1'", "steps: [dtmf: '1", "echo: true", "replay: ", "score > 7"),
    "sums": ("2: 70%, 3: 20%", "wifi@60%", "load: {jitter: 9h}"),
    "names that steps, rows and the environment give": ("${user.a}", "${user.id}", "${t}"),
    "grammars of their own: expectations, networks in one text, hosts, targets": (
        "video.in.los", "peers.ok ===", "peers.ok > x", "peers.ok >\n", "peers.ok >= 99% @10", "Poor 6G", "Poor 5G",
        "rate=2M", "burst: 4}", "urls: 'http://x'", "host:0", "[a, b, c, d, e]", "300.1.1.1", "dtmf: 12x", "lab:nothing",
        "janus+ws://x/", "token: \"a", "aaaaaaaaaa", "a-name-that-is-longer", "10.0.0.9-10.0.0.1", "10.0.0.0/33"),
}

# Wrong in ways that the table of the unit tests does not have; the schema alone has to refuse each.
REFUSED = """
simulcast: 4
srtp: des
users: {order: shuffled}
load: {peers: 0}
output: {dump: 99999999999}
load: {duration: 10x}
load: {duration: 10}
load: {duration: 0s}
load: {rate: 5/q}
load: {rate: 0/s}
load: {peers: many}
load: {ramp: 2s, rate: 1/s}
load: {ramp: "0s:1s", hold: 2s, duration: 9s}
load: {shape: 10x:5}
groups: {a: {share: 130%}}
groups: {a: {share: 0%}}
groups: {a: {per_room: 1, share: 5%}}
groups: [{role: watch}]
groups: {a: {role: wach}}
target: ftp://x/
ice: direct
bwe: fast
bwe: fixed:1.2X
codec: {video: h999}
codec: [voice=opus]
data: 10:200
data: {rate: 1/s}
data_mode: sorted
reconnect: later
reconnect: backoff:1s
network: {loss: 300%}
network: {delay: 80}
network: {firewall: open}
network: {up: {firewall: none}}
network: {burst: 0}
audio: yes
expect: []
expect: peers.ok
expect: [{expr: a > 1, level: info}]
rooms: {sizes: {two: 100%}}
rooms: {size: 0}
output: {record_format: avi}
output: {prometheus: nine}
output: {prometheus_push: "ftp://x"}
turn: {url: "http://x"}
ca: ${user.a}
seed: ${SEED}
steps: []
steps: [wait]
steps: [{wait: 1}]
steps: [{wait: 1s, event: a}]
steps: [{event: leaving}]
before: [{mute: audio}]
before: [{http: {method: GET}}]
before: [{http: "ftp://x"}]
before: [{http: {url: "http://x", expect: 99}}]
steps: [{data: {send: a, hex: "00"}}]
""".strip().split("\n")


# As `check` reads them; an editor's YAML makes numbers and the like of some.
ACCEPTED = """
load: {peers: "3", rate: 90/m, duration: 1m30s, hold: .5s}
load: {rate: 1.5/s, duration: 0.5h, jitter: 1500us}
load: {shape: 9, duration: 10s}
load: {shape: " 30s : 100 , 5m:100, 0s:3, 30s:0", hold: 5s, think: 1s..3s}
load: {shape: 1m:20/s}
load: {ramp: 1s:2s, duration: 20s, threads: 1}
load: {ramp: 0s, duration: 20s}
load: {ramp: 0s, hold: 20s}
load: {ramp: 0.5s, hold: 2s, duration: 9s}
load: {peers: 007}
name: 2026
name: true
seed: 9007199254740991
seed: "0"
lateness_max: 1e3
lateness_max: "50"
rooms: {name: 7, size: 2, count: 1}
rooms: {sizes: {02: 50.5%, 3: 49.5 %}}
groups: {a: {share: 33.5%}, b: {share: 66.5 %}, c d: {per_room: 1}}
groups: [{name: 1, role: watch}, {name: x.y, role: both, media: hd}]
groups: {a: }
codec: video=H264,VP8
codec: [video=h264-mode0, "audio=opus+stereo+red+fec, pcmu"]
codec: {video: [vp9+svc, h264], audio: "Opus,g722"}
bwe: fixed:1.2M
bwe: fixed:64000
data: max:16k
data: open
data: {rate: max, size: 16k, mode: "unordered,lifetime=1s"}
data: {rate: 0.5/s, size: 024, mode: retransmits=3}
dtmf: 1234
network: 5packet
network: 50% Packet Loss
network: "wifi, 20s: Poor 4G, 40s: down 3s"
network: {rate: 1.5M, delay: 0ms, loss: 2, burst: 4, queue: 30kB, jitter: " 5ms ", corrupt: .5%, reorder: true}
network: {profile: Poor 4G, up: {loss: 0.5 %, rate: 0}, firewall: web}
network: [{profile: 3g, share: 100%}]
network: [wifi@40%, {profile: 3g, share: 60%}]
network: reorder
ice: all
srtp: cm
reconnect: ice+backoff:500ms-1m
reconnect: now
expect: peers.ok>=1
expect: ["peers.ok == 1 else warn", {expr: "peers.failed < 1 and peers.ok > 0", level: error}]
abort_on: "peers.failed < 10 @ 5s"
output: {prometheus: 9464}
output: {prometheus: "[::1]:9464", record: 1, record_format: "ogg,pcap"}
output: {report_url: 7, dump: 0}
timeouts: {answer: 1h}
audio: true
steps: [{wait: 0.5s..1m}, leave, {wait: 2s}, rejoin: , {dtmf: 12}]
steps: [restart_ice: {}, {timer: {start: a}}, {count: {name: true, add: "2"}}, {event: mine}]
before: [{http: {url: "http://x", expect: 2xx, headers: {X-A: 1, X-B: true}, json: , take: {a: "", b: {regex: (.)}}}}]
before: [{http: {url: "https://x", expect: 200-204, method: PUT, body: 5}}, {wait_for: {name: z, timeout: 1s}}, {set: {name: z, value: 3}}]
before: [{websocket: {url: "ws://x", send: hi, expect: {/type: 1}, close: true}}]
""".strip().split("\n")
REFUSED_OF_TABLE = 56


def taken(folder):
    files = [(path, path.read_text()) for path in sorted(root.glob("examples/*.yaml"))]
    pages = list(snippets())
    for path, text in files:
        if refusal(text):
            sys.exit(f"{path}: {refusal(text)}")
    shown = 0
    for page, text in pages:
        why = refusal(text)
        if why and checks(text if "target:" in text else "target: lab\n" + text, folder):
            sys.exit(f"{page}: {why}\n{text}")
        shown += not why
    for path, text in files:
        scenario = load(text)
        for number in range(len(list(maps(scenario)))):
            wrong = copy.deepcopy(scenario)
            changed = list(maps(wrong))[number]
            changed["no such key"] = 1
            if validator.is_valid(wrong):
                sys.exit(f"{path}: the schema takes an unknown key in {changed}")
    return len(files), shown, len(pages)


def takes_all_that_check_takes(folder):
    """Texts of unit tests, and ACCEPTED: what the schema refuses, `check` refuses, with a target and without."""
    refused = tried = 0
    for path in [*sorted(root.glob("tests/scenario/test_*.c")), *sorted(root.glob("tests/cli/test_*.c"))]:
        for text in dict.fromkeys(text for row, text in c_texts(path) if not row):
            why = refusal(text)
            tried += 1
            refused += bool(why)
            if why and (checks(text, folder) or ("target:" not in text and checks("target: lab\n" + text, folder))):
                sys.exit(f"{path.name}: the schema refuses what check takes: {why}\n{text}")
    wrong = [f"check refuses {text}" for text in ACCEPTED if not checks("target: lab\n" + text + "\n", folder)]
    wrong += [f"the schema refuses what check takes: {refusal(text)}\n{text}" for text in ACCEPTED if refusal(text)]
    if wrong:
        sys.exit("\n".join(wrong))
    return tried, refused


def refuses_what_it_can():
    """Rows of the table of wrong files that it refuses, and those that it cannot know."""
    rows = [text for row, text in c_texts(root / "tests/cli/test_wrong_values.c") if row]
    excused = [one for why in ONLY_CHECK.values() for one in why]
    taken_rows = [text for text in rows if not refusal(text)]
    wrong = [text for text in taken_rows if not any(one in text for one in excused)]
    wrong += [text for text in REFUSED if not refusal(text)]
    if wrong:
        sys.exit("the schema takes what is wrong (if a file alone cannot show it, say so in ONLY_CHECK):\n" + "\n".join(wrong))
    return len(rows) - len(taken_rows), len(rows)


with tempfile.TemporaryDirectory() as name:
    files, shown, blocks = taken(pathlib.Path(name))
    print(f"{files} scenarios and {shown} of {blocks} blocks of the documentation are what the schema takes")
    tried, refused = takes_all_that_check_takes(pathlib.Path(name))
    print(f"{len(ACCEPTED)} odd ones that check takes it takes; of {tried} texts of the unit tests it refuses {refused}, and so does check")
refused, rows = refuses_what_it_can()
print(f"of {rows} rows of the table of wrong files it refuses {refused}, and all of {len(REFUSED)} others")
if files < 28 or shown < 7 or tried < 150 or refused < REFUSED_OF_TABLE:
    sys.exit(f"fewer than there were: {files} scenarios, {shown} blocks, {tried} texts, {refused} rows refused")
