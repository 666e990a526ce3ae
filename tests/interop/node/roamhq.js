// libwebrtc in Node: @roamhq/wrtc, with pictures and sound made and looked at here.
'use strict';
const wrtc = require('@roamhq/wrtc');
const { main, codecs, version } = require('./session');

const WIDTH = 320, HEIGHT = 240, FPS = 25, AUDIO_HZ = 48000, AUDIO_SAMPLES = AUDIO_HZ / 100;
const { RTCVideoSource, RTCVideoSink, RTCAudioSource, RTCAudioSink } = wrtc.nonstandard;

const seen = { frames: 0, width: 0, height: 0, pictures: 0 };
const heard = { frames: 0, loudest: 0 };
const sinks = [];
let timers = [], video, audio;

function watch(track) {
  if (track.kind === 'video') {
    let before = -1;
    const sink = new RTCVideoSink(track);
    sink.onframe = ({ frame }) => {
      let now = 0;
      for (let i = 0; i < frame.width * frame.height; i += 97) now = (now * 31 + frame.data[i]) >>> 0;
      seen.frames++;
      seen.pictures += now !== before ? 1 : 0;
      before = now;
      [seen.width, seen.height] = [frame.width, frame.height];
    };
    sinks.push(sink);
  } else {
    const sink = new RTCAudioSink(track);
    sink.ondata = ({ samples }) => {
      heard.frames++;
      for (const sample of samples) heard.loudest = Math.max(heard.loudest, Math.abs(sample));
    };
    sinks.push(sink);
  }
}

// A slope of grey with a bar in it, both moving.
function picture(i) {
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 1.5).fill(128);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) data[y * WIDTH + x] = 16 + ((x >> 1) + y + i * 2) % 200;
    data.fill(235, y * WIDTH + (i * 4) % (WIDTH - 32), y * WIDTH + (i * 4) % (WIDTH - 32) + 32);
  }
  return { width: WIDTH, height: HEIGHT, data };
}

function tone(i) {
  const samples = new Int16Array(AUDIO_SAMPLES);
  for (let n = 0; n < AUDIO_SAMPLES; n++) {
    samples[n] = 11000 * Math.sin((i * AUDIO_SAMPLES + n) * 2 * Math.PI * 440 / AUDIO_HZ);
  }
  return { samples, sampleRate: AUDIO_HZ, bitsPerSample: 16, channelCount: 1, numberOfFrames: AUDIO_SAMPLES };
}

// Calls make(i) every `ms`, and catches up what a late timer left out.
function pace(ms, make) {
  const began = Date.now();
  let done = 0;
  timers.push(setInterval(() => {
    for (const due = (Date.now() - began) / ms; done < due; done++) make(done);
  }, Math.min(ms, 10)));
}

const figure = (report, name) => (report && report[name]) || 0;

main({
  async make() {
    const pc = new wrtc.RTCPeerConnection();
    pc.ontrack = (event) => watch(event.track);
    return pc;
  },
  async prepare(pc) {
    video = new RTCVideoSource();
    audio = new RTCAudioSource();
    const stream = new wrtc.MediaStream();
    pc.addTrack(audio.createTrack(), stream);
    pc.addTrack(video.createTrack(), stream);
  },
  startMedia() {
    pace(1000 / FPS, (i) => video.onFrame(picture(i)));
    pace(10, (i) => audio.onData(tone(i)));
  },
  stopMedia() {
    timers.forEach(clearInterval);
    timers = [];
  },
  async figures(pc) {
    const result = { version: `@roamhq/wrtc ${version('@roamhq/wrtc')}`, seen, heard };
    const reports = [...(await pc.getStats()).values()];
    const agreed = codecs(pc.signalingState === 'closed' ? '' : (pc.remoteDescription.type === 'answer' ? pc.remoteDescription : pc.localDescription).sdp);
    for (const kind of ['audio', 'video']) {
      const into = reports.find((r) => r.type === 'inbound-rtp' && r.kind === kind);
      const out = reports.find((r) => r.type === 'outbound-rtp' && r.kind === kind);
      result[kind] = {
        codec: agreed[kind],
        in: { packets: figure(into, 'packetsReceived'), bytes: figure(into, 'bytesReceived'), lost: figure(into, 'packetsLost'),
              frames: figure(into, 'framesDecoded') },
        out: { packets: figure(out, 'packetsSent'), bytes: figure(out, 'bytesSent'), frames: figure(out, 'framesEncoded') },
      };
    }
    return result;
  },
  close(pc) {
    sinks.forEach((sink) => sink.stop());
    pc.close();
  },
});
