// werift: WebRTC in TypeScript, without codecs. It sends the frames of --media FOLDER (harness/clip.py), and writes
// what it receives there, for the harness to decode.
'use strict';
const fs = require('fs');
const path = require('path');
const { RTCPeerConnection, RTCRtpCodecParameters, MediaStreamTrack, RtpPacket, RtpHeader, Vp8RtpPayload } = require('werift');
const { main, codecs, version } = require('./session');

const PAYLOAD_MAX = 1180, SAMPLES = 960, TICKS = 3600;
const option = (name) => process.argv[process.argv.indexOf(name) + 1];
const folder = option('--media'), stun = option('--stun');
const kinds = ['audio', 'video'];

function readIvf(name) {
  const data = fs.readFileSync(path.join(folder, name));
  const frames = [];
  for (let at = 32; at + 12 <= data.length;) {
    const size = data.readUInt32LE(at);
    frames.push(data.subarray(at + 12, at + 12 + size));
    at += 12 + size;
  }
  return frames;
}

class IvfWriter {
  constructor(name) {
    this.file = fs.openSync(path.join(folder, name), 'w');
    fs.writeSync(this.file, Buffer.alloc(32));
  }
  write(frame) {
    const header = Buffer.alloc(12);
    header.writeUInt32LE(frame.length);
    fs.writeSync(this.file, Buffer.concat([header, frame]));
  }
}

const state = {};
for (const kind of kinds) {
  state[kind] = { track: new MediaStreamTrack({ kind }), frames: readIvf(`${kind}.ivf`), bytesIn: 0, framesOut: 0,
                  sequence: 0, writer: new IvfWriter(`received-${kind}.ivf`), parts: [] };
}
let timers = [];

function receive(kind, packet) {
  const s = state[kind];
  s.bytesIn += packet.payload.length;
  if (kind === 'audio') {
    s.writer.write(packet.payload);
    return;
  }
  const part = Vp8RtpPayload.deSerialize(packet.payload);
  if (part.isPartitionHead) s.parts = [];
  s.parts.push(part.payload);
  if (packet.header.marker) s.writer.write(Buffer.concat(s.parts));
}

function send(kind, timestamp, payload, marker) {
  const s = state[kind];
  const header = new RtpHeader({ sequenceNumber: s.sequence, timestamp: timestamp >>> 0, marker, payloadType: 96 });
  s.sequence = (s.sequence + 1) & 0xffff;
  s.track.writeRtp(new RtpPacket(header, payload));
}

// VP8's smallest descriptor (RFC 7741, section 4.2): the S bit where a frame begins.
function sendFrame(i) {
  const frame = state.video.frames[i % state.video.frames.length];
  for (let at = 0; at < frame.length; at += PAYLOAD_MAX) {
    const end = Math.min(at + PAYLOAD_MAX, frame.length);
    send('video', i * TICKS, Buffer.concat([Buffer.from([at === 0 ? 0x10 : 0]), frame.subarray(at, end)]), end === frame.length);
  }
  state.video.framesOut++;
}

function pace(ms, make) {
  const began = Date.now();
  let done = 0;
  timers.push(setInterval(() => {
    for (const due = (Date.now() - began) / ms; done < due; done++) make(done);
  }, ms / 4));
}

main({
  async make() {
    const pc = new RTCPeerConnection({
      iceServers: [{ urls: `stun:${stun}` }], // without one it asks Google's, and waits 5 s for it
      codecs: {
        audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48000, channels: 2 })],
        video: [new RTCRtpCodecParameters({
          mimeType: 'video/VP8', clockRate: 90000,
          rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }],
        })],
      },
    });
    pc.onTrack.subscribe((track) => track.onReceiveRtp.subscribe((packet) => receive(track.kind, packet)));
    return pc;
  },
  async prepare(pc, offering) {
    for (const kind of kinds) {
      if (offering) pc.addTransceiver(state[kind].track, { direction: 'sendrecv' });
      else pc.addTrack(state[kind].track);
    }
  },
  startMedia() {
    pace(40, sendFrame);
    pace(20, (i) => send('audio', i * SAMPLES, state.audio.frames[i % state.audio.frames.length], i === 0));
  },
  stopMedia() {
    timers.forEach(clearInterval);
    timers = [];
  },
  async figures(pc) {
    const result = { version: `werift ${version('werift')}` };
    const reports = [...(await pc.getStats()).values()];
    const agreed = codecs(pc.localDescription.sdp);
    for (const kind of kinds) {
      const into = reports.find((r) => r.type === 'inbound-rtp' && r.kind === kind) || {};
      const out = reports.find((r) => r.type === 'outbound-rtp' && r.kind === kind) || {};
      result[kind] = {
        codec: agreed[kind],
        // It has no bytesReceived: counted here.
        in: { packets: into.packetsReceived, bytes: state[kind].bytesIn, lost: into.packetsLost },
        out: { packets: out.packetsSent, bytes: out.bytesSent, frames: state[kind].framesOut },
      };
    }
    return result;
  },
  close: (pc) => pc.close(),
});
