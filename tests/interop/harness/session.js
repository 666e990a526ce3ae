// A WHIP session of a page, from either side; harness/browser_peer.py calls it. What it received is played in an
// element that is not muted (what nobody is to hear is not decoded), and looked at every 120 ms.
'use strict';
const LOOK_MS = 120;
const interop = { pc: null, seen: { frames: 0, width: 0, height: 0, pictures: 0, looks: 0 }, heard: { frames: 0, loudest: 0 }, energy: null, sides: [0, 0] };

function prefer(transceiver, names) {
  if (!names.length) return;
  const all = RTCRtpReceiver.getCapabilities(transceiver.receiver.track.kind).codecs;
  const rank = (codec) => names.findIndex((name) => (codec.mimeType + (codec.sdpFmtpLine ? ';' + codec.sdpFmtpLine : '')).toLowerCase().includes(name));
  const chosen = all.filter((codec) => rank(codec) >= 0).sort((a, b) => rank(a) - rank(b));
  if (!chosen.length) throw new Error(`no codec ${names}`);
  transceiver.setCodecPreferences([...chosen, ...all.filter((codec) => /rtx|telephone-event/.test(codec.mimeType))]);
}

// The energy of each channel of a track; of mono the second has none.
function listenToSides(track) {
  const context = new AudioContext();
  const splitter = context.createChannelSplitter(2);
  context.createMediaStreamSource(new MediaStream([track])).connect(splitter);
  const sides = [0, 1].map((channel) => {
    const side = context.createAnalyser();
    splitter.connect(side, channel);
    return side;
  });
  const samples = new Float32Array(sides[0].fftSize);
  setInterval(() => sides.forEach((side, channel) => {
    side.getFloatTimeDomainData(samples);
    interop.sides[channel] += samples.reduce((sum, sample) => sum + sample * sample, 0);
  }), LOOK_MS);
}

// What applications put into their own description that want stereo or DTX: parameters of Opus.
function withOpus(sdp, parameters) {
  const type = /^a=rtpmap:(\d+) opus\//m.exec(sdp)[1];
  return sdp.replace(new RegExp(`^a=fmtp:${type} .*$`, 'm'), `$&;${parameters}`);
}

function make(options) {
  const pc = new RTCPeerConnection();
  const video = document.createElement('video');
  video.autoplay = true;
  video.srcObject = new MediaStream();
  video.style.width = '320px';
  document.body.prepend(video);
  pc.ontrack = (event) => {
    video.srcObject.addTrack(event.track);
    if (options.sides && event.track.kind === 'audio') listenToSides(event.track);
  };
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [64, 36];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let before = null;
  setInterval(async () => {
    if (video.videoWidth && !interop.quiet) {
      context.drawImage(video, 0, 0, 64, 36);
      const now = context.getImageData(0, 0, 64, 36).data.join();
      interop.seen.looks++;
      if (now !== before) interop.seen.pictures++;
      before = now;
    }
    for (const r of (await pc.getStats()).values()) {
      if (r.type !== 'inbound-rtp' || r.kind !== 'audio') continue;
      const last = interop.energy;
      if (last && r.totalSamplesDuration > last[1]) {
        const rms = Math.sqrt((r.totalAudioEnergy - last[0]) / (r.totalSamplesDuration - last[1]));
        interop.heard.loudest = Math.max(interop.heard.loudest, Math.round(32767 * rms));
      }
      interop.energy = [r.totalAudioEnergy, r.totalSamplesDuration];
      interop.heard.frames = Math.floor(50 * r.totalSamplesDuration); // 20 ms each, whatever the clock
    }
  }, LOOK_MS);
  interop.pc = pc;
  interop.began = performance.now();
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === 'connected' && !interop.connected) interop.connected = performance.now() - interop.began;
  };
  return pc;
}

// Messages of the side that offers come back from an echo, and must be as they went; the side that answers is the
// echo.
interop.data = { sent: 0, received: 0, bytesSent: 0, bytesReceived: 0, wrong: 0 };
const awaited = [];
let channel = null, dataTimer = null;
const bytesOf = (message) => typeof message === 'string' ? new TextEncoder().encode(message) : new Uint8Array(message);

function sendData(message) {
  interop.data.sent++;
  interop.data.bytesSent += bytesOf(message).length;
  channel.send(message);
}

function heard(message) {
  interop.data.received++;
  interop.data.bytesReceived += bytesOf(message).length;
  if (!interop.resource) {
    sendData(message);
    return;
  }
  const wanted = awaited.shift();
  if (wanted === undefined || typeof wanted !== typeof message || bytesOf(wanted).join() !== bytesOf(message).join()) interop.data.wrong++;
}

function useChannel(made) {
  channel = made;
  channel.binaryType = 'arraybuffer';
  channel.onmessage = (event) => heard(event.data);
  channel.onopen = () => {
    if (!interop.resource) return;
    let i = 0;
    dataTimer = setInterval(() => {
      const text = `message ${i} `.repeat(i === 7 ? 3000 : 3);
      const message = i++ % 2 ? text : new TextEncoder().encode(text).buffer;
      awaited.push(message);
      sendData(message);
    }, 100);
  };
}

async function tracks(options) {
  return navigator.mediaDevices.getUserMedia({ audio: true, video: options.video ?? true });
}

async function gathered(pc) {
  while (pc.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 20));
  return pc.localDescription.sdp;
}

interop.offer = async (url, options) => {
  const stream = await tracks(options);
  const pc = make(options);
  for (const track of stream.getTracks()) {
    const transceiver = pc.addTransceiver(track, { streams: [stream], ...(options.encodings && track.kind === 'video' ? { sendEncodings: options.encodings } : {}) });
    prefer(transceiver, options[`prefer-${track.kind}`] || []);
  }
  if (options.data) useChannel(pc.createDataChannel('interop'));
  await pc.setLocalDescription();
  const body = await gathered(pc);
  const answer = await fetch(url, { method: 'POST', body, headers: { 'Content-Type': 'application/sdp' } });
  if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  interop.resource = new URL(answer.headers.get('Location'), url).href;
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  return true;
};

interop.answer = async (sdp, options) => {
  const stream = options.silent ? new MediaStream() : await tracks(options);
  const pc = make(options);
  pc.ondatachannel = (event) => useChannel(event.channel);
  await pc.setRemoteDescription({ type: 'offer', sdp });
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  for (const transceiver of pc.getTransceivers()) prefer(transceiver, options[`prefer-${transceiver.receiver.track.kind}`] || []);
  const answer = await pc.createAnswer();
  if (options.opus) answer.sdp = withOpus(answer.sdp, options.opus);
  await pc.setLocalDescription(answer);
  return gathered(pc);
};

interop.silence = async () => {
  interop.quiet = true;
  clearInterval(dataTimer);
  for (const sender of interop.pc.getSenders()) await sender.replaceTrack(null);
  return true;
};

interop.figures = async () => {
  const result = { seen: interop.seen, heard: interop.heard, state: interop.pc.connectionState, sides: interop.sides, ...(channel ? { data: interop.data } : {}) };
  const reports = await interop.pc.getStats();
  for (const kind of ['audio', 'video']) {
    const of = (type) => [...reports.values()].filter((r) => r.type === type && r.kind === kind);
    const into = of('inbound-rtp')[0] || {}, out = of('outbound-rtp');
    const sum = (name) => out.reduce((total, r) => total + (r[name] || 0), 0);
    const codec = reports.get(into.codecId), sends = reports.get((out[0] || {}).codecId);
    result[kind] = {
      codec: codec ? codec.mimeType.split('/')[1].toLowerCase() : null, fmtp: codec ? codec.sdpFmtpLine : null,
      in: { packets: into.packetsReceived || 0, bytes: into.bytesReceived || 0, lost: into.packetsLost || 0, frames: into.framesDecoded || 0,
            freezes: into.freezeCount || 0, freezeS: into.totalFreezesDuration || 0, decoder: into.decoderImplementation,
            samples: into.totalSamplesReceived, concealed: into.concealedSamples, silent: into.silentConcealedSamples,
            fec: into.fecPacketsReceived, fecDiscarded: into.fecPacketsDiscarded },
      out: { packets: sum('packetsSent'), bytes: sum('bytesSent'), frames: sum('framesEncoded'), streams: out.length,
             again: sum('retransmittedPacketsSent'), encoder: out[0] && out[0].encoderImplementation,
             fmtp: sends ? sends.sdpFmtpLine : null },
    };
    if (kind === 'video') Object.assign(interop.seen, { frames: into.framesDecoded || 0, width: into.frameWidth || 0, height: into.frameHeight || 0 });
  }
  return result;
};

interop.close = async () => {
  if (interop.resource) await fetch(interop.resource, { method: 'DELETE' });
  interop.pc.close();
  return true;
};
window.interop = interop;
