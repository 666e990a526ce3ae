// One WHIP session of a counterpart, from either side, as harness/counterpart.py drives it:
//   node PROGRAM.js offer URL SECONDS [OPTION…]      posts its offer to a WHIP end point
//   node PROGRAM.js answer ADDRESS SECONDS [OPTION…] is a WHIP server that answers one offer
// A counterpart has make() -> pc, startMedia(pc, ms), stopMedia(), figures(pc) and close(pc). What happens is told
// as a line of JSON each: listening, connected, quiet (its media ended SECONDS ago and have arrived), over.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

const GATHERED_MS = 3000, CONNECTED_MS = 20000, SETTLE_MS = 700, LAST_MS = 400;

const [role, where, seconds, ...options] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const tell = (event, more) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n');

async function until(what, test, ms) {
  for (const end = Date.now() + ms; !test(); await sleep(10)) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
  }
}

async function gathered(pc) {
  await until('the candidates', () => pc.iceGatheringState === 'complete', GATHERED_MS);
  return pc.localDescription.sdp;
}

function line() {
  return new Promise((resolve) => process.stdin.once('data', resolve));
}

async function ask(method, url, body) {
  const answer = await fetch(url, { method, body, headers: body ? { 'Content-Type': 'application/sdp' } : {} });
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  return { location: answer.headers.get('Location'), text: await answer.text() };
}

async function hold(counterpart, pc, began) {
  await until('the connection', () => pc.connectionState === 'connected', CONNECTED_MS);
  tell('connected', { ms: Date.now() - began });
  await counterpart.startMedia(pc);
  await sleep(seconds * 1000);
  await counterpart.stopMedia(pc);
  await sleep(SETTLE_MS);
  tell('quiet', await counterpart.figures(pc));
}

async function offer(counterpart) {
  const pc = await counterpart.make(options);
  await counterpart.prepare(pc, true);
  await pc.setLocalDescription(await pc.createOffer());
  const began = Date.now();
  const { location, text } = await ask('POST', where, await gathered(pc));
  await pc.setRemoteDescription({ type: 'answer', sdp: text });
  await hold(counterpart, pc, began);
  await line();
  await ask('DELETE', new URL(location, where).href);
  tell('over', await counterpart.figures(pc));
  await counterpart.close(pc);
}

async function answer(counterpart) {
  let pc = null, began = 0, deleted;
  const over = new Promise((resolve) => { deleted = resolve; });
  const take = async (sdp) => {
    began = Date.now();
    pc = await counterpart.make(options);
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await counterpart.prepare(pc, false);
    await pc.setLocalDescription(await pc.createAnswer());
    return gathered(pc);
  };
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const reply = (status, text, headers) => response.writeHead(status, headers).end(text);
    try {
      if (request.method === 'POST') {
        reply(201, await take(body), { 'Content-Type': 'application/sdp', Location: '/session/1' });
      } else {
        reply(request.method === 'DELETE' ? 200 : 204);
        if (request.method === 'DELETE') deleted();
      }
    } catch (problem) {
      reply(500, String(problem.stack));
    }
  });
  await new Promise((resolve) => server.listen(0, where, resolve));
  tell('listening', { port: server.address().port });
  await until('an offer', () => pc, CONNECTED_MS);
  await hold(counterpart, pc, began);
  await over;
  await sleep(LAST_MS);
  tell('over', { ...await counterpart.figures(pc), state: pc.connectionState });
  await counterpart.close(pc);
  server.close();
}

// The codec that a section agreed on, by the first payload type of the answer.
function codecs(sdp) {
  const found = {};
  for (const section of sdp.split(/^m=/m).slice(1)) {
    const [kind, , , payload] = section.split(/\s/);
    const map = section.match(new RegExp(`^a=rtpmap:${payload} ([^/\\s]+)`, 'm'));
    if (map && !found[kind]) found[kind] = map[1].toLowerCase();
  }
  return found;
}

function version(name) {
  return JSON.parse(fs.readFileSync(path.join(process.env.NODE_PATH, name, 'package.json'))).version;
}

function main(counterpart) {
  ({ offer, answer })[role](counterpart).then(() => process.exit(0), (problem) => {
    console.error(problem.stack);
    process.exit(1);
  });
}

module.exports = { main, codecs, version };
