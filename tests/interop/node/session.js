// One WHIP session of a counterpart, from either side, as harness/counterpart.py drives it:
//   node PROGRAM.js offer URL SECONDS [OPTION…]      posts its offer to a WHIP end point
//   node PROGRAM.js answer ADDRESS SECONDS [OPTION…] is a WHIP server that answers one offer
// A counterpart has make() -> pc, startMedia(pc, ms), stopMedia(), figures(pc) and close(pc). What happens is told
// as a line of JSON each: listening, connected, quiet (its media ended SECONDS ago and have arrived), over.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

const GATHERED_MS = 3000, CONNECTED_MS = 20000, SETTLE_MS = 700, LAST_MS = 400, DATA_MS = 100;

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

// Messages of the side that offers come back from an echo, and must be as they went; the side that answers is the
// echo.
const data = { sent: 0, received: 0, bytesSent: 0, bytesReceived: 0, wrong: 0 };
const awaited = [];
let channel = null, dataTimer = null;
const bytesOf = (message) => Buffer.from(message);

function sendData(message) {
  data.sent++;
  data.bytesSent += bytesOf(message).length;
  channel.send(typeof message === 'string' ? message : bytesOf(message));
}

function heard(message) {
  data.received++;
  data.bytesReceived += bytesOf(message).length;
  if (role === 'answer') {
    sendData(message);
    return;
  }
  const wanted = awaited.shift();
  if (wanted === undefined || typeof wanted !== typeof message || !bytesOf(wanted).equals(bytesOf(message))) data.wrong++;
}

function useChannel(made) {
  channel = made;
  channel.binaryType = 'arraybuffer';
  channel.onmessage = (event) => heard(event.data);
}

function dataMessage(i) {
  const text = `message ${i} `.repeat(i === 7 ? 3000 : 3);
  return i % 2 ? text : Buffer.from(text);
}

async function startData() {
  if (role === 'answer' || !channel) return;
  await until('the data channel', () => channel.readyState === 'open', CONNECTED_MS);
  let i = 0;
  dataTimer = setInterval(() => {
    const message = dataMessage(i++);
    awaited.push(message);
    sendData(message);
  }, DATA_MS);
}

async function told(counterpart, pc) {
  return { ...await counterpart.figures(pc), ...(channel ? { data } : {}) };
}

async function hold(counterpart, pc, began) {
  await until('the connection', () => pc.connectionState === 'connected', CONNECTED_MS);
  tell('connected', { ms: Date.now() - began });
  await counterpart.startMedia(pc);
  await startData();
  await sleep(seconds * 1000);
  await counterpart.stopMedia(pc);
  clearInterval(dataTimer);
  await sleep(SETTLE_MS);
  tell('quiet', await told(counterpart, pc));
}

async function offer(counterpart) {
  const pc = await counterpart.make(options);
  await counterpart.prepare(pc, true);
  if (options.includes('--data')) useChannel(pc.createDataChannel('interop'));
  await pc.setLocalDescription(await pc.createOffer());
  const began = Date.now();
  const { location, text } = await ask('POST', where, await gathered(pc));
  await pc.setRemoteDescription({ type: 'answer', sdp: text });
  await hold(counterpart, pc, began);
  await line();
  await ask('DELETE', new URL(location, where).href);
  tell('over', await told(counterpart, pc));
  await counterpart.close(pc);
}

async function answer(counterpart) {
  let pc = null, began = 0, deleted;
  const over = new Promise((resolve) => { deleted = resolve; });
  const take = async (sdp) => {
    began = Date.now();
    pc = await counterpart.make(options);
    pc.ondatachannel = (event) => useChannel(event.channel);
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
  tell('over', { ...await told(counterpart, pc), state: pc.connectionState });
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
