"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const host = document.getElementById("charts");
  const NS = "http://www.w3.org/2000/svg";
  const t = data.t;
  const H = 196, TOP = 18, BOTTOM = 24, LEFT = 48, RIGHT = 10;
  const drawn = [];
  let focus = -1;

  const svg = (name, attributes, parent) => {
    const e = document.createElementNS(NS, name);
    for (const k in attributes) e.setAttribute(k, attributes[k]);
    if (parent) parent.append(e);
    return e;
  };
  const html = (name, className, text, parent) => {
    const e = document.createElement(name);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    if (parent) parent.append(e);
    return e;
  };
  const number = (v) => {
    if (v === null || v === undefined) return "–";
    const a = Math.abs(v);
    const digits = Number.isInteger(v) || a >= 100 ? 0 : a >= 10 ? 1 : a >= 0.1 ? 2 : 3;
    return v.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  };
  const long = t.length > 0 && t[t.length - 1] > 180;
  const clock = (s) => {
    if (!long) return number(s) + " s";
    const whole = Math.round(s), h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
    const two = (n) => String(n).padStart(2, "0");
    return h ? `${h}:${two(m)}:${two(whole % 60)}` : `${m}:${two(whole % 60)}`;
  };
  /* Steps of 1, 2 or 5 that cut a range into about `n` parts. */
  const niceStep = (range, n) => {
    const raw = range / n, ten = Math.pow(10, Math.floor(Math.log10(raw)));
    const f = raw / ten;
    return (f <= 1 ? 1 : f <= 2 ? 2 : f <= 5 ? 5 : 10) * ten;
  };
  const timeStep = (range, n) => {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
    return steps.find((s) => range / s <= n) || 172800;
  };

  function series() {
    const flows = ["audio.in", "audio.out", "video.in", "video.out"];
    const words = { "audio.in": "audio in", "audio.out": "audio out", "video.in": "video in", "video.out": "video out" };
    const look = { "audio.in": ["--c3"], "audio.out": ["--c3", "5 4"], "video.in": ["--c1"], "video.out": ["--c1", "5 4"] };
    const four = (table, factor) => flows.map((f) => ({
      name: words[f], color: look[f][0], dash: look[f][1],
      values: table[f] && table[f].map((v) => (v === null ? null : v * factor)),
    }));
    const most = Math.max(0, ...flows.flatMap((f) => data.bitrate[f] || []));
    const mega = most >= 10000;
    const colors = ["--c5", "--c2", "--c4", "--c1", "--c7", "--c8", "--c3", "--c6"];
    const causes = Object.keys(data.failed).map((c, i) => ({
      name: c, color: colors[i % colors.length], dash: i >= colors.length ? "5 4" : undefined, values: data.failed[c],
    }));
    const under = t.map((_, i) => Math.max(0, data.started[i] - data.connected[i] - data.ok[i] - data.failedAll[i]));
    return [
      /* What became of those that started, one upon the other: their top is how many started. */
      { title: "Arrivals, and what became of them", unit: "peers", whole: true, wide: true, stack: true, lines: [
        { name: "connected", color: "--c1", band: true, values: data.connected },
        { name: "left, all well", color: "--c3", band: true, values: data.ok, quiet: true },
        { name: "not connected yet", color: "--c6", band: true, values: under, quiet: true },
        ...causes.map((c) => ({ ...c, name: "failed: " + c.name, band: true })),
        { name: "started", color: "--ink", values: data.started },
        { name: "planned", color: "--ink", dash: "2 4", values: data.planned } ] },
      { title: "Failed so far, by cause", unit: "peers", whole: true, lines: causes, empty: "No peer failed." },
      { title: "Score of each second, mean over peers", unit: "of 10", lines: [ { name: "score", color: "--c1", area: true, values: data.score } ], top: 10 },
      { title: "MOS of each second, mean over peers", unit: "1 to 5", lines: [ { name: "MOS", color: "--c1", area: true, values: data.mos } ], top: 5 },
      { title: "Bit rate, all peers together", unit: mega ? "Mbit/s" : "kbit/s", lines: four(data.bitrate, mega ? 0.001 : 1) },
      { title: "Set-up time of those that connected", unit: "ms", lines: [
        { name: "p50", color: "--c1", values: data.setup50 }, { name: "p95", color: "--c5", values: data.setup95 } ], dots: true },
      { title: "Loss", unit: "%", lines: four(data.loss, 1) },
      { title: "Jitter", unit: "ms", lines: four(data.jitter, 1) },
      { title: "Round-trip time", unit: "ms", lines: [
        { name: "mean", color: "--c1", values: data.rtt }, { name: "p95", color: "--c5", values: data.rtt95 } ] },
      ...["video", "audio"].filter((kind) => has(data[`${kind}Latency50`])).map((kind) => (
        { title: `One-way latency of ${kind}`, unit: "ms", lines: [
          { name: "p50", color: "--c1", values: data[`${kind}Latency50`] },
          { name: "p95", color: "--c2", dash: "6 4", values: data[`${kind}Latency95`] },
          { name: "p99", color: "--c5", values: data[`${kind}Latency99`] } ] })),
      { title: "Data channels, all peers together", unit: "kbit/s", lines: [
        { name: "in", color: "--c1", values: data.dataIn }, { name: "out", color: "--c2", dash: "5 4", values: data.dataOut } ], none: !nonzero(data.dataIn) && !nonzero(data.dataOut) },
      { title: "Messages: one-way latency and round trip", unit: "ms", lines: [
        { name: "one way", color: "--c1", values: data.dataLatency }, { name: "round trip", color: "--c2", dash: "5 4", values: data.dataRtt } ] },
      { title: "Frames received, each video track", unit: "frames/s", lines: [ { name: "mean", color: "--c1", values: data.fps } ] },
      { title: "Freezes begun", unit: "a second", whole: true, lines: [ { name: "freezes", color: "--c5", area: true, values: data.freezes } ], empty: "No picture froze.", needs: data.fps },
      { title: "Generator: lateness of its timers", unit: "ms", lines: [
        { name: "p99", color: "--c1", values: data.late99 }, { name: "max", color: "--c5", values: data.lateMax } ] },
      { title: "Generator: CPU of the busiest thread", unit: "%", lines: [ { name: "CPU", color: "--c1", area: true, values: data.cpu } ], top: 100 },
      { title: "Generator: lost by itself", unit: "packets/s", whole: true, lines: [
        { name: "send errors", color: "--c5", values: data.sendErrors }, { name: "receive drops", color: "--c2", dash: "5 4", values: data.drops } ],
        empty: "No send failed, and no socket buffer overflowed." },
    ];
  }

  /* Bands stand upon those before them. */
  function heap(c) {
    let base = t.map(() => 0);
    for (const line of c.lines.filter((l) => l.band)) {
      line.base = base;
      base = line.top = base.map((v, i) => v + (line.values[i] || 0));
    }
  }
  const tops = (line) => line.top || line.values;

  const has = (values) => values && values.some((v) => v !== null && v !== undefined);
  const nonzero = (values) => values && values.some((v) => v);

  function path(line, x, y) {
    let d = "", open = false;
    line.values.forEach((v, i) => {
      if (v === null) { open = false; return; }
      d += (open ? "L" : "M") + x(i).toFixed(1) + " " + y(v).toFixed(1);
      open = true;
    });
    return d;
  }

  /* Values with no neighbour would be invisible as a line. */
  function lonely(line) {
    return line.values.map((v, i, all) => v !== null && (all[i - 1] ?? null) === null && (all[i + 1] ?? null) === null);
  }

  function axes(c, plot, width, x0, x1, top) {
    const y = (v) => TOP + (H - TOP - BOTTOM) * (1 - v / top);
    const step = c.step;
    for (let v = 0; v <= top * 1.0001; v += step) {
      svg("line", { class: v === 0 ? "axis" : "grid", x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v) }, plot);
      svg("text", { x: LEFT - 7, y: y(v) + 4, "text-anchor": "end" }, plot).textContent = tick(v, step);
    }
    svg("text", { x: LEFT, y: 10, "text-anchor": "start" }, plot).textContent = c.unit;
    const ts = timeStep(x1 - x0, Math.max(2, Math.floor(width / 90)));
    for (let s = Math.ceil(x0 / ts) * ts; s <= x1; s += ts) {
      const at = LEFT + (width - LEFT - RIGHT) * ((s - x0) / (x1 - x0));
      svg("line", { class: "axis", x1: at, x2: at, y1: H - BOTTOM, y2: H - BOTTOM + 4 }, plot);
      svg("text", { x: at, y: H - 6, "text-anchor": at > width - 30 ? "end" : "middle" }, plot).textContent = clock(s);
    }
    return y;
  }

  function tick(v, step) {
    const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
    return v.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  function draw(c) {
    const width = Math.max(240, Math.round(c.box.clientWidth));
    const plot = c.plot;
    plot.replaceChildren();
    plot.setAttribute("viewBox", `0 0 ${width} ${H}`);
    const x0 = Math.min(0, t[0]), x1 = Math.max(t[t.length - 1], x0 + 1);
    const most = Math.max(...c.lines.flatMap((l) => tops(l).filter((v) => v !== null)), 0);
    const peak = Math.max(most, c.top && most > c.top / 2 ? c.top : 0) || 1;
    c.step = niceStep(peak, 4);
    if (c.whole) c.step = Math.max(1, c.step);
    const top = Math.max(c.step, Math.ceil(peak / c.step - 1e-9) * c.step);
    const y = axes(c, plot, width, x0, x1, top);
    const x = (i) => LEFT + (width - LEFT - RIGHT) * ((t[i] - x0) / (x1 - x0));
    for (const line of c.lines) {
      const style = `stroke:var(${line.color})`;
      if (line.band) {
        const edge = (values) => values.map((v, i) => `${x(i).toFixed(1)} ${y(v).toFixed(1)}`);
        svg("path", { class: "band", style: `fill:var(${line.color})`,
          d: `M${edge(line.top).join("L")}L${edge(line.base).reverse().join("L")}Z` }, plot);
        continue;
      }
      const d = path(line, x, y);
      if (line.area && d && !line.values.includes(null)) {
        svg("path", { class: "area", style: `fill:var(${line.color})`,
          d: `${d}L${x(t.length - 1).toFixed(1)} ${y(0)}L${x(0).toFixed(1)} ${y(0)}Z` }, plot);
      }
      svg("path", { class: "line", style, d, "stroke-dasharray": line.dash || "none" }, plot);
      const alone = lonely(line);
      line.values.forEach((v, i) => {
        if (alone[i] || (c.dots && v !== null && t.length <= 60)) {
          svg("circle", { cx: x(i), cy: y(v), r: 2.6, style: `fill:var(${line.color})` }, plot);
        }
      });
    }
    c.cross = svg("line", { class: "cross", y1: TOP, y2: H - BOTTOM, visibility: "hidden" }, plot);
    c.marks = c.lines.map((l) => svg("circle", { r: 3.6, style: `fill:var(${l.color})`, visibility: "hidden" }, plot));
    c.x = x; c.y = y; c.width = width; c.x0 = x0; c.x1 = x1;
    show(c);
  }

  /* The time under the pointer is shown in all charts at once. */
  function show(c) {
    const on = focus >= 0;
    c.when.textContent = on ? "at " + clock(t[focus]) : "";
    c.cross.setAttribute("visibility", on ? "visible" : "hidden");
    if (on) { c.cross.setAttribute("x1", c.x(focus)); c.cross.setAttribute("x2", c.x(focus)); }
    c.lines.forEach((l, i) => {
      const v = on ? l.values[focus] : null;
      const seen = on && v !== null;
      c.values[i].textContent = on ? number(v) : "";
      c.marks[i].setAttribute("visibility", seen ? "visible" : "hidden");
      if (seen) { c.marks[i].setAttribute("cx", c.x(focus)); c.marks[i].setAttribute("cy", c.y(tops(l)[focus])); }
    });
  }

  function setFocus(i) {
    focus = Math.max(-1, Math.min(t.length - 1, i));
    drawn.forEach(show);
  }

  function nearest(c, event) {
    const box = c.plot.getBoundingClientRect();
    const px = (event.clientX - box.left) * (c.width / box.width);
    const s = c.x0 + (c.x1 - c.x0) * ((px - LEFT) / (c.width - LEFT - RIGHT));
    let best = 0;
    for (let i = 1; i < t.length; i++) if (Math.abs(t[i] - s) < Math.abs(t[best] - s)) best = i;
    return best;
  }

  function listen(c) {
    c.plot.addEventListener("pointermove", (e) => setFocus(nearest(c, e)));
    c.plot.addEventListener("pointerdown", (e) => setFocus(nearest(c, e)));
    c.plot.addEventListener("pointerleave", () => setFocus(-1));
    c.plot.addEventListener("blur", () => setFocus(-1));
    c.plot.addEventListener("keydown", (e) => {
      const moves = { ArrowLeft: focus - 1, ArrowRight: focus + 1, Home: 0, End: t.length - 1 };
      if (e.key === "Escape") setFocus(-1);
      else if (e.key in moves) { setFocus(Math.max(0, moves[e.key])); e.preventDefault(); }
    });
  }

  /* The same figures as a table, made when it is asked for; at most about 60 rows. */
  function table(c, details) {
    const box = html("div", "scroll", undefined, details);
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", c.title + ", as a table");
    const body = html("table", "", undefined, box);
    const head = html("tr", "", undefined, html("thead", "", undefined, body));
    for (const name of ["time", ...c.lines.map((l) => `${l.name} (${c.unit})`)]) html("th", "", name, head).scope = "col";
    const rows = html("tbody", "", undefined, body);
    const every = Math.ceil(t.length / 60);
    for (let i = 0; i < t.length; i += every) {
      const row = html("tr", "", undefined, rows);
      html("th", "", clock(t[i]), row).scope = "row";
      for (const l of c.lines) html("td", "", number(l.values[i]), row);
    }
  }

  function describe(c) {
    const parts = c.lines.map((l) => {
      const known = l.values.filter((v) => v !== null);
      return `${l.name} from ${number(Math.min(...known))} to ${number(Math.max(...known))}`;
    });
    return `${c.title} over time in ${c.unit}: ${parts.join(", ")}. Arrow keys read single values.`;
  }

  function add(c) {
    c.lines = c.lines.filter((l) => has(l.values) && (!l.quiet || nonzero(l.values)));
    if (c.stack) heap(c);
    if (c.none) return;
    if (c.needs && !has(c.needs)) return;
    const quiet = c.empty && !c.lines.some((l) => nonzero(l.values));
    if (!c.lines.length && !quiet) return;
    const figure = html("figure", c.wide ? "chart card wide" : "chart card", undefined, host);
    const head = html("figcaption", "chart-head", undefined, figure);
    html("h3", "", c.title, head);
    c.when = html("span", "", "", head);
    if (quiet) { html("p", "note", c.empty, figure); return; }
    const legend = html("ul", "legend", undefined, figure);
    c.values = c.lines.map((l) => {
      const item = html("li", "", undefined, legend);
      const sample = svg("svg", { width: 22, height: 4, "aria-hidden": "true" }, item);
      svg("line", { x1: 0, x2: 22, y1: 2, y2: 2, style: `stroke:var(${l.color});stroke-width:${l.band ? 8 : 2.5}`, "stroke-dasharray": l.dash || "none" }, sample);
      item.append(l.name);
      return html("b", "", "", item);
    });
    c.box = html("div", "", undefined, figure);
    c.plot = svg("svg", { class: "plot", role: "img", tabindex: 0, "aria-label": describe(c) }, c.box);
    const details = html("details", "", undefined, figure);
    html("summary", "", "Show as table", details);
    details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) table(c, details); });
    listen(c);
    drawn.push(c);
    draw(c);
  }

  if (t.length > 0) {
    series().forEach(add);
    let pending = 0;
    new ResizeObserver(() => {
      cancelAnimationFrame(pending);
      pending = requestAnimationFrame(() => drawn.filter((c) => Math.abs(c.box.clientWidth - c.width) > 1).forEach(draw));
    }).observe(host);
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details.peer").forEach((d) => { d.open = true; }));
})();
