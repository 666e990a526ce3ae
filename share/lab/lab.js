// The lab's page: joins a room by the room protocol (docs/room-protocol.md) and shows who is there.
// Parameters: ?room= &name= &publish=audio,video &token= &auto=1; window.squallStats() is for tests.
'use strict';

const SUBPROTOCOL = 'squall-room';
const params = new URLSearchParams(location.search);
const by = (id) => document.getElementById(id);

let session = null; // the present stay in a room

function say(text, bad = false) {
  by('status').textContent = text;
  by('status').classList.toggle('bad', bad);
}

// ---- Pictures ----------------------------------------------------------------------------------

function makeTile(id, name, own) {
  const tile = document.createElement('figure');
  const video = document.createElement('video');
  const caption = document.createElement('figcaption');
  const label = document.createElement('span');
  tile.dataset.person = id;
  video.autoplay = true;
  video.playsInline = true;
  video.muted = own;
  label.textContent = own ? `${name} (you)` : name;
  video.setAttribute('aria-label', `Picture of ${label.textContent}`);
  caption.append(label);
  tile.append(video, caption);
  by('people').append(tile);
  return tile;
}

// Browsers keep sound back until the page was touched: then start silent, with a button.
async function play(tile) {
  const video = tile.querySelector('video');
  try {
    await video.play();
  } catch (error) {
    if (error.name !== 'NotAllowedError' || video.muted) {
      return;
    }
    video.muted = true;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Unmute';
    button.addEventListener('click', () => {
      video.muted = false;
      button.remove();
    });
    tile.querySelector('figcaption').append(button);
    video.play().catch(() => {});
  }
}

function findTile(id) {
  return [...by('people').children].find((tile) => tile.dataset.person === id);
}

function setTracks(tile, tracks) {
  const video = tile.querySelector('video');
  const old = video.srcObject ? video.srcObject.getTracks() : [];
  if (old.length === tracks.length && tracks.every((track) => old.includes(track))) {
    return;
  }
  video.srcObject = new MediaStream(tracks);
  play(tile);
}

// Shows one picture for each person whose tracks are received now.
function showPeople(stay) {
  const people = new Map();
  for (const transceiver of stay.pc.getTransceivers()) {
    const receives = ['recvonly', 'sendrecv'].includes(transceiver.currentDirection);
    const owner = stay.owners.get(transceiver.mid);
    if (receives && owner) {
      const person = people.get(owner.id) || { name: owner.name || owner.id, tracks: [] };
      person.tracks.push(transceiver.receiver.track);
      people.set(owner.id, person);
    }
  }
  for (const tile of [...by('people').children]) {
    if (tile.dataset.person !== 'own' && !people.has(tile.dataset.person)) {
      tile.remove();
    }
  }
  for (const [id, person] of people) {
    const name = id === stay.id ? `${person.name} (echo)` : person.name;
    setTracks(findTile(id) || makeTile(id, name, false), person.tracks);
  }
  stay.people = people.size;
}

// ---- Figures -----------------------------------------------------------------------------------

const COUNTED = ['framesDecoded', 'framesReceived', 'framesDropped', 'keyFramesDecoded', 'packetsLost',
  'freezeCount'];

function addInbound(sums, report) {
  sums.bytesReceived += report.bytesReceived || 0;
  sums.packetsReceived += report.packetsReceived || 0;
  for (const key of COUNTED) {
    sums[key] += report[key] || 0;
  }
  sums.nackSent += report.nackCount || 0;
  sums.pliSent += report.pliCount || 0;
  sums.jitter = Math.max(sums.jitter, report.jitter || 0);
  sums[report.kind === 'video' ? 'videoTracksIn' : 'audioTracksIn'] += report.packetsReceived > 0 ? 1 : 0;
  sums[report.kind === 'video' ? 'videoPacketsReceived' : 'audioPacketsReceived'] +=
    report.packetsReceived || 0;
}

function addOutbound(sums, report) {
  sums.bytesSent += report.bytesSent || 0;
  sums.packetsSent += report.packetsSent || 0;
  sums.framesEncoded += report.framesEncoded || 0;
  sums.nackReceived += report.nackCount || 0;
  sums.pliReceived += report.pliCount || 0;
}

// Sums over all tracks, as numbers; every key is always there.
window.squallStats = async () => {
  const sums = { connected: 0, people: 0, offers: 0, bytesReceived: 0, packetsReceived: 0,
    audioPacketsReceived: 0, videoPacketsReceived: 0, audioTracksIn: 0, videoTracksIn: 0,
    jitter: 0, nackSent: 0, pliSent: 0, bytesSent: 0, packetsSent: 0, framesEncoded: 0,
    nackReceived: 0, pliReceived: 0, roundTripTime: 0 };
  for (const key of COUNTED) {
    sums[key] = 0;
  }
  if (!session || !session.pc) {
    return sums;
  }
  sums.connected = session.pc.connectionState === 'connected' ? 1 : 0;
  sums.people = session.people;
  sums.offers = session.offers;
  for (const report of (await session.pc.getStats()).values()) {
    if (report.type === 'inbound-rtp') {
      addInbound(sums, report);
    } else if (report.type === 'outbound-rtp') {
      addOutbound(sums, report);
    } else if (report.type === 'candidate-pair' && report.nominated && report.currentRoundTripTime) {
      sums.roundTripTime = report.currentRoundTripTime;
    }
  }
  return sums;
};

function rowOf(stay, report, codecs) {
  const inbound = report.type === 'inbound-rtp';
  const bytes = inbound ? report.bytesReceived : report.bytesSent;
  const before = stay.before.get(report.id);
  const seconds = before ? (report.timestamp - before.timestamp) / 1000 : 0;
  stay.before.set(report.id, { bytes, timestamp: report.timestamp });
  const owner = stay.owners.get(report.mid);
  const who = inbound ? (owner && (owner.name || owner.id)) || '' : 'sent';
  const codec = codecs.get(report.codecId);
  return [
    `${report.kind} ${who}`.trim(),
    codec ? codec.replace(/^\w+\//, '') : '',
    seconds > 0 ? ((bytes - before.bytes) * 8 / 1000 / seconds).toFixed(0) : '',
    (inbound ? report.packetsReceived : report.packetsSent) ?? '',
    (inbound ? report.packetsLost : '') ?? '',
    inbound && report.jitter !== undefined ? (report.jitter * 1000).toFixed(1) : '',
    (inbound ? report.framesDecoded : report.framesEncoded) ?? '',
    report.framesPerSecond ?? '',
    report.frameWidth ? `${report.frameWidth}×${report.frameHeight}` : '',
  ];
}

async function showFigures(stay) {
  const stats = await stay.pc.getStats();
  if (stay !== session) {
    return;
  }
  const codecs = new Map();
  const rows = [];
  for (const report of stats.values()) {
    if (report.type === 'codec') {
      codecs.set(report.id, report.mimeType);
    }
  }
  for (const report of stats.values()) {
    if (['inbound-rtp', 'outbound-rtp'].includes(report.type)) {
      const row = document.createElement('tr');
      for (const text of rowOf(stay, report, codecs)) {
        const cell = document.createElement('td');
        cell.textContent = text;
        row.append(cell);
      }
      rows.push(row);
    } else if (report.type === 'candidate-pair' && report.nominated) {
      const remote = stats.get(report.remoteCandidateId);
      const rtt = report.currentRoundTripTime;
      by('path').textContent = `Path: ${remote ? `${remote.address}:${remote.port} (${remote.candidateType})` : ''}` +
        (rtt !== undefined ? `, round trip ${(rtt * 1000).toFixed(1)} ms` : '');
    }
  }
  by('rows').replaceChildren(...rows);
  by('figures').hidden = false;
}

// ---- A stay in a room --------------------------------------------------------------------------

function send(stay, message) {
  if (stay.ws.readyState === WebSocket.OPEN) {
    stay.ws.send(JSON.stringify(message));
  }
}

function sendCandidate(stay, candidate) {
  const message = { type: 'candidate', candidate: candidate ? candidate.candidate : '' };
  if (stay.answered) {
    send(stay, message);
  } else {
    stay.held.push(message); // the answer goes first
  }
}

async function onOffer(stay, message) {
  const { pc } = stay;
  stay.offers++;
  stay.owners = new Map(message.tracks.map((track) => [track.mid, track]));
  await pc.setRemoteDescription({ type: 'offer', sdp: message.sdp });
  await pc.setLocalDescription();
  send(stay, { type: 'answer', sdp: pc.localDescription.sdp, seq: message.seq });
  stay.answered = true;
  stay.held.splice(0).forEach((held) => send(stay, held));
  showPeople(stay);
}

async function onMessage(stay, message) {
  if (message.type === 'joined') {
    stay.id = message.id;
    say(`In room “${stay.room}”; connecting media…`);
  } else if (message.type === 'offer') {
    await onOffer(stay, message);
  } else if (message.type === 'candidate') {
    await stay.pc.addIceCandidate(message.candidate
      ? { candidate: message.candidate, sdpMLineIndex: 0 } : undefined);
  } else if (message.type === 'error') {
    end(stay, `The lab says: ${message.text}`, true);
  } else if (message.type === 'left') {
    end(stay, 'You left the room.');
  }
}

function makeConnection(stay) {
  const pc = new RTCPeerConnection();
  pc.onicecandidate = (event) => sendCandidate(stay, event.candidate);
  pc.onconnectionstatechange = () => {
    if (stay !== session) {
      return;
    }
    if (pc.connectionState === 'connected') {
      say(`In room “${stay.room}”.`);
    } else if (pc.connectionState === 'failed') {
      end(stay, 'The media connection failed.', true);
    } else if (pc.connectionState === 'disconnected') {
      say('The media connection is interrupted…', true);
    }
  };
  if (stay.stream) {
    stay.stream.getTracks().forEach((track) => pc.addTrack(track, stay.stream));
  }
  return pc;
}

function openSocket(stay) {
  const url = new URL('room', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = '';
  url.hash = '';
  const ws = new WebSocket(url, SUBPROTOCOL);
  ws.onopen = () => send(stay, { type: 'join', room: stay.room, name: stay.name,
    publish: stay.publish, subscribe: true, token: params.get('token') || '' });
  // One after the other: an offer is answered before the next message is looked at.
  ws.onmessage = (event) => {
    stay.work = stay.work.then(() => stay === session && onMessage(stay, JSON.parse(event.data)))
      .catch((error) => end(stay, `${error.name}: ${error.message}`, true));
  };
  ws.onclose = () => end(stay, 'The connection to the lab was closed.', true);
  return ws;
}

function end(stay, text, bad = false) {
  if (stay !== session) {
    return;
  }
  session = null;
  clearInterval(stay.clock);
  stay.ws.close();
  stay.pc.close();
  if (stay.stream) {
    stay.stream.getTracks().forEach((track) => track.stop());
  }
  by('people').replaceChildren();
  by('figures').hidden = true;
  by('join-button').hidden = false;
  by('join-button').disabled = false;
  by('leave-button').hidden = true;
  say(text, bad);
}

async function join() {
  const publish = [by('send-audio').checked && 'audio', by('send-video').checked && 'video']
    .filter(Boolean);
  const stay = { room: by('room').value, name: by('name').value || 'someone', publish, people: 0,
    offers: 0, owners: new Map(), before: new Map(), held: [], answered: false,
    work: Promise.resolve() };
  by('join-button').disabled = true;
  try {
    if (publish.length > 0) {
      say('Waiting for camera and microphone…');
      stay.stream = await navigator.mediaDevices.getUserMedia({
        audio: publish.includes('audio'), video: publish.includes('video') });
    }
  } catch (error) {
    by('join-button').disabled = false;
    say(`No camera or microphone: ${error.message}`, true);
    return;
  }
  say('Connecting…');
  session = stay;
  stay.pc = makeConnection(stay);
  stay.ws = openSocket(stay);
  stay.clock = setInterval(() => showFigures(stay), 1000);
  if (stay.stream) {
    setTracks(makeTile('own', stay.name, true), stay.stream.getVideoTracks());
  }
  by('join-button').hidden = true;
  by('leave-button').hidden = false;
}

function leave() {
  const stay = session;
  if (!stay) {
    return;
  }
  if (stay.ws.readyState === WebSocket.OPEN) {
    send(stay, { type: 'leave' });
    setTimeout(() => end(stay, 'You left the room.'), 2000);
  } else {
    end(stay, 'You left the room.');
  }
}

by('join').addEventListener('submit', (event) => {
  event.preventDefault();
  if (!session) {
    join();
  }
});
by('leave-button').addEventListener('click', leave);
window.addEventListener('pagehide', () => session && send(session, { type: 'leave' }));

by('room').value = params.get('room') || 'demo';
by('name').value = params.get('name') || '';
if (params.has('publish')) {
  const kinds = params.get('publish').split(',');
  by('send-audio').checked = kinds.includes('audio');
  by('send-video').checked = kinds.includes('video');
}
if (params.get('auto') === '1') {
  join();
}
